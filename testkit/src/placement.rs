//! Where the processes run, and what that says about the figures.

use std::fs;

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity};
use serde::Serialize;

/// A round trip below this many nanoseconds stays within one physical core: there it
/// took 56 to 62, and between two near cores 80 and more.
pub const ONE_CORE: u64 = 75;

/// The CPUs of a run.
#[derive(Debug, Serialize)]
pub struct Placement {
    /// In the order in which processes are put on them.
    pub cpus: Vec<usize>,
    /// CPUs that this process may use.
    pub allowed: usize,
    /// The load average of the last minute before the run.
    pub load: Option<f64>,
    /// What /sys says about the first two.
    pub topology: Topology,
}

/// How two CPUs lie to each other, according to /sys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Topology {
    /// There is only one.
    OneCpu,
    /// Two threads of one core.
    Siblings,
    /// Two cores of one socket.
    OneSocket,
    /// Two sockets.
    TwoSockets,
    /// /sys does not say.
    Unknown,
}

impl Topology {
    /// For people.
    pub fn describe(self) -> &'static str {
        match self {
            Topology::OneCpu => "one CPU for both processes",
            Topology::Siblings => "hyper-thread siblings of one core",
            Topology::OneSocket => "two cores of one socket",
            Topology::TwoSockets => "cores of two sockets",
            Topology::Unknown => "unknown",
        }
    }
}

/// A CPU and the core it belongs to: (socket, core).
type Cpu = (usize, Option<(usize, usize)>);

impl Placement {
    /// Use the CPUs that were asked for, or choose: distinct cores first, of one socket first.
    pub fn choose(asked: &[usize]) -> Result<Self> {
        let set = sched_getaffinity(None).context("cannot ask for the CPUs of this process")?;
        let allowed: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|&cpu| set.is_set(cpu))
            .collect();
        if let Some(cpu) = asked.iter().find(|cpu| !allowed.contains(cpu)) {
            bail!("CPU {cpu} is not one that this process may use: {allowed:?}");
        }
        let cpus: Vec<Cpu> = match asked {
            [] => in_order(allowed.iter().map(|&cpu| (cpu, core_of(cpu))).collect()),
            _ => asked.iter().map(|&cpu| (cpu, core_of(cpu))).collect(),
        };
        Ok(Placement {
            topology: topology(&cpus),
            cpus: cpus.into_iter().map(|(cpu, _)| cpu).collect(),
            allowed: allowed.len(),
            load: load(),
        })
    }
}

fn load() -> Option<f64> {
    let averages = fs::read_to_string("/proc/loadavg").ok()?;
    averages.split_whitespace().next()?.parse().ok()
}

/// The core of a CPU, if /sys says so (a container may hide it).
fn core_of(cpu: usize) -> Option<(usize, usize)> {
    let read = |what: &str| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/{what}");
        fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    Some((read("physical_package_id")?, read("core_id")?))
}

/// First one thread of each core, the first CPU's socket before others; then the siblings.
fn in_order(cpus: Vec<Cpu>) -> Vec<Cpu> {
    let socket = |core: Option<(usize, usize)>| core.map(|(socket, _)| socket);
    let first = cpus.first().map(|&(_, core)| socket(core));
    let mut ranked: Vec<_> = cpus
        .iter()
        .enumerate()
        .map(|(index, &(cpu, core))| {
            let earlier = cpus[..index].iter();
            let siblings = earlier
                .filter(|(_, other)| core.is_some() && *other == core)
                .count();
            ((siblings, Some(socket(core)) != first, cpu), (cpu, core))
        })
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, cpu)| cpu).collect()
}

fn topology(cpus: &[Cpu]) -> Topology {
    match cpus {
        [(a, _), (b, _), ..] if a == b => Topology::OneCpu,
        [(_, Some(a)), (_, Some(b)), ..] if a == b => Topology::Siblings,
        [(_, Some(a)), (_, Some(b)), ..] if a.0 == b.0 => Topology::OneSocket,
        [(_, Some(_)), (_, Some(_)), ..] => Topology::TwoSockets,
        [_, _, ..] => Topology::Unknown,
        _ => Topology::OneCpu,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_cores_of_the_first_socket_come_first() {
        // Two sockets of two cores of two threads, numbered as Linux often does.
        let cpus = (0..8)
            .map(|cpu| (cpu, Some((cpu % 2, cpu / 2 % 2))))
            .collect();
        let order: Vec<usize> = in_order(cpus).into_iter().map(|(cpu, _)| cpu).collect();
        assert_eq!(order, [0, 2, 1, 3, 4, 6, 5, 7]);
        let unknown = in_order(vec![(3, None), (5, None)]);
        assert_eq!(unknown, [(3, None), (5, None)]);
    }

    #[test]
    fn topology_is_told_from_the_first_two() {
        assert_eq!(topology(&[(0, Some((0, 0)))]), Topology::OneCpu);
        assert_eq!(topology(&[(0, None), (0, None)]), Topology::OneCpu);
        assert_eq!(
            topology(&[(0, Some((0, 1))), (4, Some((0, 1)))]),
            Topology::Siblings
        );
        assert_eq!(
            topology(&[(0, Some((0, 1))), (1, Some((0, 2)))]),
            Topology::OneSocket
        );
        assert_eq!(
            topology(&[(0, Some((0, 1))), (1, Some((1, 1)))]),
            Topology::TwoSockets
        );
        assert_eq!(topology(&[(0, None), (1, None)]), Topology::Unknown);
    }
}
