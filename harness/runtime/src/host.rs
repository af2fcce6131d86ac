//! What this machine can do, for `eidetic doctor`.

use std::fs;

use serde::Serialize;

use crate::foreign;

/// Processor, memory and kernel of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Host {
    /// `linux-x86_64`.
    pub platform: String,
    /// The processor's name by the kernel; empty where it gives none.
    pub cpu: String,
    /// Instruction sets that ONNX Runtime's kernels choose among and that are present here.
    pub cpu_features: Vec<String>,
    /// Processors that this process may use.
    pub cpus: usize,
    /// Memory of the machine in bytes.
    pub memory_bytes: Option<u64>,
    /// The kernel's release, `6.12.0`.
    pub kernel: String,
    /// What the kernel offers to lock a process in.
    pub sandbox: Sandbox,
}

/// What the kernel offers to lock a process in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sandbox {
    /// Landlock's ABI version; `None` where it is missing or switched off.
    pub landlock_abi: Option<u32>,
    /// Whether the kernel filters system calls (seccomp).
    pub seccomp: bool,
    /// Whether an ordinary user may make user namespaces.
    pub user_namespaces: bool,
}

impl Host {
    /// Asks the kernel and the processor. What cannot be read is empty or `None`.
    pub fn detect() -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        Self {
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            cpu: field(&cpuinfo, "model name").unwrap_or_default(),
            cpu_features: cpu_features(),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: field(&read("/proc/meminfo"), "MemTotal")
                .as_deref()
                .and_then(kib),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            sandbox: Sandbox {
                landlock_abi: foreign::landlock_abi(),
                seccomp: field(&read("/proc/self/status"), "Seccomp").is_some(),
                user_namespaces: user_namespaces(
                    &read("/proc/sys/user/max_user_namespaces"),
                    &read("/proc/sys/kernel/unprivileged_userns_clone"),
                    &read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
                ),
            },
        }
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// The first `key : value` line of one of the kernel's tables.
fn field(table: &str, key: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// Bytes of `123 kB`, which the kernel counts in 1024.
fn kib(text: &str) -> Option<u64> {
    text.strip_suffix(" kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The second and third setting exist on Debian and Ubuntu only; missing, they forbid nothing.
fn user_namespaces(max: &str, clone: &str, restricted: &str) -> bool {
    max.trim().parse::<u64>().is_ok_and(|max| max > 0)
        && clone.trim() != "0"
        && restricted.trim() != "1"
}

fn cpu_features() -> Vec<String> {
    #[allow(unused_mut)]
    let mut features: Vec<(&str, bool)> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    features.extend([
        ("sse4.1", is_x86_feature_detected!("sse4.1")),
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
    ]);
    #[cfg(target_arch = "aarch64")]
    features.extend([
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        (
            "dotprod",
            std::arch::is_aarch64_feature_detected!("dotprod"),
        ),
        ("i8mm", std::arch::is_aarch64_feature_detected!("i8mm")),
        ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
        ("sve", std::arch::is_aarch64_feature_detected!("sve")),
    ]);
    features
        .into_iter()
        .filter(|(_, here)| *here)
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn tables_are_read_by_key() {
        let table = "processor\t: 0\nmodel name\t: Some: CPU\nMemTotal:    2048 kB\n";
        assert_eq!(field(table, "model name").unwrap(), "Some: CPU");
        assert_eq!(kib(&field(table, "MemTotal").unwrap()), Some(2048 * 1024));
        assert_eq!(field(table, "Mem"), None);
        assert_eq!(field("", "x"), None);
        assert_eq!(kib("2048"), None);
    }

    #[test]
    fn user_namespaces_need_every_setting() {
        assert!(user_namespaces("1000\n", "", ""));
        assert!(user_namespaces("1000\n", "1\n", "0\n"));
        assert!(!user_namespaces("0\n", "", ""));
        assert!(!user_namespaces("1000\n", "0\n", ""));
        assert!(!user_namespaces("1000\n", "", "1\n"));
        assert!(!user_namespaces("", "", ""));
    }

    #[test]
    fn this_machine_has_a_processor_memory_and_a_kernel() {
        let host = Host::detect();
        assert!(host.cpus >= 1);
        assert!(host.memory_bytes.unwrap() > 1 << 20);
        assert!(
            host.kernel.starts_with(|c: char| c.is_ascii_digit()),
            "{}",
            host.kernel
        );
        assert!(!host.cpu_features.is_empty());
        let json = serde_json::to_value(&host).unwrap();
        assert_eq!(json["sandbox"]["seccomp"], host.sandbox.seccomp);
    }
}
