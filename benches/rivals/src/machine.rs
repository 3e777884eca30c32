//! The machine that a run was on.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// What figures depend on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, by its own name.
    pub processor: String,
    /// CPUs in all.
    pub cpus: usize,
    /// Those that were used.
    pub used: Vec<usize>,
    /// Of the kernel.
    pub kernel: String,
    /// Of the compiler.
    pub rustc: String,
    /// Whether it is a virtual machine.
    pub is_virtual: bool,
}

impl Machine {
    /// This one.
    pub fn of(used: &[usize]) -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            let found = lines.find(|(field, _)| field.trim() == name);
            found
                .map_or("unknown", |(_, value)| value.trim())
                .to_owned()
        };
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let (family, model) = (field("cpu family"), field("model"));
        Machine {
            processor: format!("{}, family {family} model {model}", field("model name")),
            cpus: info
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            used: used.to_vec(),
            kernel: kernel.trim().to_owned(),
            rustc: rustc.unwrap_or_else(|_| "unknown".into()),
            is_virtual: field("flags").split(' ').any(|flag| flag == "hypervisor"),
        }
    }
}
