//! `memring manual`: the pages of the manual, and completions, from what `--help` says.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, Command};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

const AFTER_HELP: &str = "\
Below the directory, each lies where man and the shells look if the directory is
~/.local/share (for one user) or /usr/local/share (for all):

  man/man1/memring*.1
  bash-completion/completions/memring
  zsh/site-functions/_memring           (zsh: put the directory into fpath)
  fish/vendor_completions.d/memring.fish

Exit status:
  0  written
  1  a file or a directory cannot be written
  2  the command line is wrong

Examples:
  memring manual --dir ~/.local/share
  sudo memring manual --dir /usr/local/share";

/// Where each shell looks, below the directory.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "bash-completion/completions/memring"),
    (Shell::Zsh, "zsh/site-functions/_memring"),
    (Shell::Fish, "fish/vendor_completions.d/memring.fish"),
];

/// What is printed as it is: lines that lie below each other for a reason.
const AS_IT_IS: [&str; 2] = ["EXIT STATUS", "EXAMPLES"];

/// Write the manual pages and the completions of shells
#[derive(ClapArgs)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Write below this directory; those that lack are made
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Run the hidden `memring manual`, for the commands of `program`.
pub fn run(args: &Args, program: Command) -> Result<()> {
    // The pages name the other pages, and `help` has none.
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let pages = program.get_subcommands().chain([&program]);
    for page in pages {
        let page = page.clone();
        let name = page.get_display_name().unwrap_or("memring");
        let path = Path::new("man/man1").join(format!("{name}.1"));
        write(&args.dir.join(path), &manual_page(page)?)?;
    }
    for (shell, path) in COMPLETIONS {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut program.clone(), "memring", &mut text);
        write(&args.dir.join(path), &text)?;
    }
    Ok(())
}

fn write(path: &Path, text: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(path);
    fs::create_dir_all(directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A page in the language of man. What stands below the options of `--help` is spread over the
/// sections of a page.
fn manual_page(command: Command) -> io::Result<Vec<u8>> {
    let notes = command.get_after_help().map(ToString::to_string);
    let notes = notes.unwrap_or_default();
    let sections = sections(&notes);
    let is_program = command.has_subcommands();
    let page = Man::new(command.clone())
        .source(format!("memring {}", env!("CARGO_PKG_VERSION")))
        .manual("memring");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    let (before, after) = sections
        .split_first()
        .expect("there is one without a heading");
    before.render().to_writer(&mut text)?;
    page.render_options_section(&mut text)?;
    if is_program {
        page.render_subcommands_section(&mut text)?;
    }
    for section in after {
        section.render().to_writer(&mut text)?;
    }
    see_also(&command, is_program).to_writer(&mut text)?;
    Ok(text)
}

fn see_also(command: &Command, is_program: bool) -> Roff {
    let names = command
        .get_subcommands()
        .map(|it| format!("memring-{}", it.get_name()));
    let names: Vec<String> = match is_program {
        true => names.collect(),
        false => vec!["memring".into()],
    };
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    for (index, name) in names.iter().enumerate() {
        let is_last = index + 1 == names.len();
        roff.text([bold(name), roman(if is_last { "(1)" } else { "(1)," })]);
    }
    roff
}

/// A part of what stands below the options.
#[derive(Debug, Default, PartialEq, Eq)]
struct NotesSection<'a> {
    /// In capitals; the first has none.
    heading: String,
    lines: Vec<&'a str>,
}

/// A heading is a line by itself, with a colon, over lines that are set in by two blanks.
fn sections(notes: &str) -> Vec<NotesSection<'_>> {
    let mut sections = vec![NotesSection::default()];
    let mut lines = notes.lines().peekable();
    let mut was_empty = true;
    while let Some(line) = lines.next() {
        let over_indented = lines.peek().is_some_and(|next| next.starts_with("  "));
        let heading = line
            .strip_suffix(':')
            .filter(|_| was_empty && over_indented);
        let last = sections.last_mut().expect("there is one");
        match heading {
            Some(heading) => sections.push(NotesSection {
                heading: heading.to_uppercase(),
                lines: Vec::new(),
            }),
            // Back at the margin, the section has ended.
            None if !last.heading.is_empty() && !line.is_empty() && !line.starts_with(' ') => {
                sections.push(NotesSection {
                    heading: "NOTES".into(),
                    lines: vec![line],
                });
            }
            None => last.lines.push(match last.heading.is_empty() {
                true => line,
                false => line.strip_prefix("  ").unwrap_or(line),
            }),
        }
        was_empty = line.is_empty();
    }
    sections
}

impl NotesSection<'_> {
    fn render(&self) -> Roff {
        let mut roff = Roff::new();
        let as_it_is = AS_IT_IS.contains(&self.heading.as_str());
        if !self.heading.is_empty() {
            roff.control("SH", [self.heading.as_str()]);
        } else if !self.lines.is_empty() {
            roff.control("PP", []);
        }
        if as_it_is {
            roff.control("nf", []);
        }
        // (An empty line at the end of a section is the space before the next one.)
        let end = self.lines.iter().rposition(|line| !line.is_empty());
        for line in &self.lines[..end.map_or(0, |end| end + 1)] {
            match (line.is_empty(), as_it_is) {
                (true, false) => roff.control("PP", []),
                _ => roff.text([roman(*line)]),
            };
        }
        if as_it_is {
            roff.control("fi", []);
        }
        roff
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_below_the_options_is_cut_at_its_headings() {
        let notes = "\
This goes on:
to the next line.

Exit status:
  0  done
     at last

Examples:
  memring list

See also there.";
        let expected = [
            ("", &["This goes on:", "to the next line.", ""][..]),
            ("EXIT STATUS", &["0  done", "   at last", ""]),
            ("EXAMPLES", &["memring list", ""]),
            ("NOTES", &["See also there."]),
        ];
        let expected = expected.map(|(heading, lines)| NotesSection {
            heading: heading.into(),
            lines: lines.to_vec(),
        });
        assert_eq!(sections(notes), expected);
    }

    #[test]
    fn lines_of_an_example_stay_lines() {
        let section = NotesSection {
            heading: "EXAMPLES".into(),
            lines: vec!["memring a", "", ".b -x", ""],
        };
        let text = section.render().to_roff();
        assert_eq!(text, ".SH EXAMPLES\n.nf\nmemring a\n\n\\&.b \\-x\n.fi\n");
    }
}
