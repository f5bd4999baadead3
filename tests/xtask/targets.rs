//! The platforms of a release, and which of them can be built here.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One platform.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    /// Rust's name.
    pub(crate) triple: &'static str,
    /// Go's name of the system, as krew and helm use it.
    pub(crate) os: &'static str,
    /// Go's name of the processor.
    pub(crate) arch: &'static str,
}

/// All platforms. Linux is linked statically with musl, so that one archive serves every distribution; Windows with its
/// own C runtime, so that a release needs no licensed tools. The frameworks of darwin are on a Mac alone.
pub(crate) const TARGETS: [Target; 6] = [
    Target {
        triple: "x86_64-unknown-linux-musl",
        os: "linux",
        arch: "amd64",
    },
    Target {
        triple: "aarch64-unknown-linux-musl",
        os: "linux",
        arch: "arm64",
    },
    Target {
        triple: "x86_64-apple-darwin",
        os: "darwin",
        arch: "amd64",
    },
    Target {
        triple: "aarch64-apple-darwin",
        os: "darwin",
        arch: "arm64",
    },
    Target {
        triple: "x86_64-pc-windows-gnu",
        os: "windows",
        arch: "amd64",
    },
    Target {
        triple: "aarch64-pc-windows-gnullvm",
        os: "windows",
        arch: "arm64",
    },
];

/// The platform of this machine's own toolchain, for trying a release where no musl target is installed.
pub(crate) const NATIVE: Target = Target {
    triple: "x86_64-unknown-linux-gnu",
    os: "linux",
    arch: "amd64",
};

impl Target {
    /// What programs of this platform end with.
    pub(crate) fn suffix(self) -> &'static str {
        if self.os == "windows" { ".exe" } else { "" }
    }

    /// What `cargo` is asked to do. Linking for another system or processor takes a C compiler and a linker for it, which
    /// cargo-zigbuild brings along; without it the ones that cargo finds by itself are tried.
    pub(crate) fn build_verb(self) -> &'static str {
        if self.triple != NATIVE.triple && which::which("cargo-zigbuild").is_ok() {
            "zigbuild"
        } else {
            "build"
        }
    }

    /// What the compiler is told beside the release profile. Linux needs no tables for unwinding; Windows needs them for its
    /// own exceptions, and darwin's are small. Only the linker of cargo-zigbuild leaves them out: with others, what the C
    /// library begins with asks for them.
    pub(crate) fn flags(self, root: &Path) -> String {
        if self.os == "linux" && self.build_verb() == "zigbuild" {
            let script = root.join("tests/xtask/no-unwinding.ld");
            format!("-C link-arg=-Wl,-T,{}", script.display())
        } else {
            String::new()
        }
    }

    /// What C compilers are told: zig takes the time of compilation, which is fixed here, for an error on Windows.
    pub(crate) fn c_flags(self) -> Option<(String, &'static str)> {
        let variable = format!("CFLAGS_{}", self.triple.replace('-', "_"));
        (self.os == "windows").then_some((variable, "-Wno-date-time"))
    }

    /// Whether the toolchain has this platform's standard library.
    pub(crate) fn is_installed(self) -> bool {
        let output = Command::new("rustc")
            .args(["--print", "target-libdir", "--target", self.triple])
            .output();
        output.is_ok_and(|output| {
            let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
            output.status.success()
                && folder.read_dir().is_ok_and(|mut entries| {
                    entries.any(|entry| {
                        entry.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("libstd"))
                    })
                })
        })
    }
}
