//! The wheels that are installed, pinned.
//!
//! ONNX Runtime's library is the same in the wheels of all Pythons; those of Python 3.12
//! stand here. NVIDIA's wheels are fetched by the user's machine and never passed on.
//! A new version: take file, SHA-256 and size from the index, then run the tests.

use crate::packages::Wheel;

const fn ort(file: &'static str, bytes: u64, sha256: &'static str) -> Wheel {
    Wheel { file, sha256, bytes, licence: "MIT" }
}

const fn nvidia(file: &'static str, bytes: u64, sha256: &'static str) -> Wheel {
    Wheel { file, sha256, bytes, licence: "NVIDIA's licence agreement" }
}

/// The wheels of one system.
#[derive(Debug)]
pub(super) struct System {
    /// Operating system and architecture, as Rust names them.
    pub(super) name: (&'static str, &'static str),
    /// ONNX Runtime for the processor.
    pub(super) cpu: &'static [Wheel],
    /// ONNX Runtime with CUDA, and the libraries that it needs.
    pub(super) cuda: &'static [Wheel],
}

pub(super) const SYSTEMS: [System; 5] = [
    System {
        name: ("linux", "x86_64"),
        cpu: &[ort(
            "onnxruntime-1.32.0-cp312-cp312-manylinux_2_28_x86_64.whl",
            27_780_211,
            "99e1074c4b2197accd5073052a465361be17b89c093b8ffb6e6bd8f986c52df8",
        )],
        cuda: &[
            ort(
                "onnxruntime_gpu-1.31.1-cp312-cp312-manylinux_2_28_x86_64.whl",
                255_569_273,
                "05d548956197b9d01f59b625de740e0d6be3593f874e241a12dc0362650ecdf7",
            ),
            nvidia(
                "nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
                2_504_024,
                "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
            ),
            nvidia(
                "nvidia_cublas-13.10.0.20-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
                444_289_903,
                "dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84",
            ),
            nvidia(
                "nvidia_curand-10.4.5.25-py3-none-manylinux_2_27_x86_64.whl",
                77_113_015,
                "22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529",
            ),
            nvidia(
                "nvidia_cudnn_cu13-9.28.1.4-py3-none-manylinux_2_27_x86_64.whl",
                516_817_937,
                "a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec",
            ),
        ],
    },
    System {
        name: ("linux", "aarch64"),
        cpu: &[ort(
            "onnxruntime-1.32.0-cp312-cp312-manylinux_2_28_aarch64.whl",
            23_196_724,
            "e36c187006e7a7c8b8d6d57f1a209dd63f52430dca6c282b177718ad6b841054",
        )],
        cuda: &[
            ort(
                "onnxruntime_gpu-1.31.1-cp312-cp312-manylinux_2_34_aarch64.whl",
                212_341_829,
                "a0f1725c5a6d1ef82d63498b5ebc25e2c90c9560e91dc76db9be4a49162d4d33",
            ),
            nvidia(
                "nvidia_cuda_runtime-13.5.37-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
                2_520_010,
                "de2dc5a7367974228b0a69588a9acc9340d3768bef1bf38bf0801eb08497cd2d",
            ),
            nvidia(
                "nvidia_cublas-13.10.0.20-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
                560_089_875,
                "c5f3418c0a845232a8cabc58f6fa52cfae7d8bd3680d94c3907aca710fd48d70",
            ),
            nvidia(
                "nvidia_curand-10.4.5.25-py3-none-manylinux_2_27_aarch64.whl",
                77_529_633,
                "07c75d8ba14b627d1a01d2c1bfa1eece88f25d564d3aae7e6b6fb44f7bbec9c1",
            ),
            nvidia(
                "nvidia_cudnn_cu13-9.28.1.4-py3-none-manylinux_2_27_aarch64.whl",
                597_008_823,
                "759b6a4919951ed8ec603dec97b96f6a6396c8269b95b3d345526e2471fb433d",
            ),
        ],
    },
    System {
        name: ("macos", "aarch64"),
        cpu: &[ort(
            "onnxruntime-1.32.0-cp312-cp312-macosx_14_0_arm64.whl",
            22_519_308,
            "d52510bbbcc880c13b826f7d75cdf33ac5cf0bb864d960000fc29ce73f0cb83e",
        )],
        cuda: &[],
    },
    System {
        name: ("windows", "x86_64"),
        cpu: &[ort(
            "onnxruntime-1.32.0-cp312-cp312-win_amd64.whl",
            16_698_767,
            "efe7456952c243a05a53d5b8732953625144642c2f3989094277f6217f0c0c40",
        )],
        cuda: &[],
    },
    System {
        name: ("windows", "aarch64"),
        cpu: &[ort(
            "onnxruntime-1.32.0-cp312-cp312-win_arm64.whl",
            16_030_610,
            "64d394c69d561af3efd4d4f49dcac8f11d0ce135a20701c16d53b74056cd4cf8",
        )],
        cuda: &[],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wheels_are_pinned_wholly_and_fit_their_system() {
        for system in &SYSTEMS {
            let (os, arch) = system.name;
            let platform = match os {
                "linux" => "manylinux",
                "macos" => "macosx",
                _ => "win",
            };
            for wheel in system.cpu.iter().chain(system.cuda) {
                let hex = |digit: char| digit.is_ascii_digit() || ('a'..='f').contains(&digit);
                assert_eq!(wheel.sha256.len(), 64, "{}", wheel.file);
                assert!(wheel.sha256.chars().all(hex), "{}", wheel.file);
                let tag = wheel.file.rsplit('-').next().expect("a platform");
                assert!(tag.starts_with(platform), "{}", wheel.file);
                let names: &[&str] = match arch {
                    "aarch64" => &["aarch64.whl", "arm64.whl"],
                    _ => &["x86_64.whl", "amd64.whl"],
                };
                assert!(names.iter().any(|name| tag.ends_with(name)), "{}", wheel.file);
                assert!(wheel.bytes > 1_000_000, "{}", wheel.file);
            }
        }
    }
}
