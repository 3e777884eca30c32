//! x
mod operations;
use memring::Wake;
fn main() -> anyhow::Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let wake = if a[1] == "spin" { Wake::SpinOnly } else { Wake::Blocking };
    operations::run(wake, a[2].parse()?)
}
