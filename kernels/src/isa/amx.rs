//! Intel AMX: registers of 16 rows of 64 bytes, and one instruction that multiplies two of them.
//!
//! The intrinsics are not stable Rust yet, so the instructions are written in assembly. The kernel of the operating
//! system has to permit tiles once a process; every thread then loads their shape.

use std::arch::asm;
use std::sync::OnceLock;

use super::avx512::{self, BF16, FLOAT, avx512_small};
use super::avx512_int8::{VNNI, finish_int8};
use super::{AheadLines, Arithmetic, Isa, Matrix, MatrixTile, Set};

/// Asks Linux for the tile registers: `arch_prctl(ARCH_REQ_XCOMP_PERM, XTILEDATA)`.
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| {
        let result: i64;
        // SAFETY: a system call that reads no memory of ours; the kernel clobbers rcx and r11.
        unsafe {
            asm!(
                "syscall",
                inout("rax") ARCH_PRCTL => result,
                in("rdi") REQUEST_PERMISSION,
                in("rsi") TILE_DATA,
                out("rcx") _,
                out("r11") _,
                options(nostack),
            );
        }
        result == 0
    })
}

/// Other systems permit tiles in other ways, or not at all.
#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| false)
}

/// AMX-TILE, AMX-INT8 and AMX-BF16 in CPUID leaf 7. Whether the system keeps their state, [`is_permitted`] asks it.
fn has_tiles() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    if __cpuid(0).eax < 7 {
        return false;
    }
    let wanted = 1 << 22 | 1 << 24 | 1 << 25;
    __cpuid_count(7, 0).edx & wanted == wanted
}

#[repr(C, align(64))]
struct TileConfig([u8; 64]);

/// Palette 1; all eight tiles 16 rows of 64 bytes.
static CONFIG: TileConfig = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    TileConfig(bytes)
};

unsafe fn enter() {
    // SAFETY: a set of this file is only had with the proof that tiles are there and permitted.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly)) }
}

unsafe fn leave() {
    // SAFETY: as above.
    unsafe { asm!("tilerelease", options(nostack, nomem)) }
}

/// Asks for cache lines of coming weights, into the second-level cache: the first one is full of what is read now.
macro_rules! ahead {
    ($($offset:literal)*) => {
        concat!($("prefetcht1 [{ahead} + ", $offset, "]\n",)*)
    };
}

/// Two tiles of pixels by two of channels. Four products hide the latency of each other; every tile loaded is used
/// twice. `$product` is the instruction of the element type; `$a` to `$d` ask for `$bytes` of coming weights.
macro_rules! wide {
    ($name:ident, $product:literal, $bytes:literal, $a:expr, $b:expr, $c:expr, $d:expr) => {
        /// # Safety
        /// The pointers cover the tiles, two vectors of channels wide, and the thread has entered.
        unsafe fn $name(t: &MatrixTile) {
            // SAFETY: the caller's pointers cover the tiles, and its thread has entered. Changed registers are named.
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    "mov {at}, [{runs}]",
                    "lea {x0}, [{first} + {at}]",
                    "add {at}, {second}",
                    "tileloadd tmm4, [{x0} + {step}]",
                    "tileloadd tmm6, [{w} + {row}]",
                    $a,
                    concat!($product, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm7, [{w} + {row} + 64]",
                    $b,
                    concat!($product, " tmm1, tmm4, tmm7"),
                    "tileloadd tmm5, [{at} + {step}]",
                    $c,
                    concat!($product, " tmm2, tmm5, tmm6"),
                    $d,
                    concat!($product, " tmm3, tmm5, tmm7"),
                    concat!("add {ahead}, ", $bytes),
                    "add {runs}, 8",
                    "add {w}, 2048",
                    "dec {count}",
                    "jnz 2b",
                    "tilestored [{sums} + {row}], tmm0",
                    "tilestored [{sums} + {row} + 64], tmm1",
                    "tilestored [{sums} + {row} + 2048], tmm2",
                    "tilestored [{sums} + {row} + 2112], tmm3",
                    first = in(reg) t.inputs[0],
                    second = in(reg) t.inputs[1],
                    step = in(reg) t.step,
                    runs = inout(reg) t.runs => _,
                    count = inout(reg) t.run_count => _,
                    w = inout(reg) t.weights => _,
                    row = in(reg) 128usize,
                    ahead = inout(reg) t.ahead => _,
                    sums = in(reg) t.sums,
                    at = out(reg) _,
                    x0 = out(reg) _,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

/// Two tiles of pixels by one of channels, or by two where there are two.
macro_rules! multiply {
    ($name:ident, $module:ident, $product:literal) => {
        mod $module {
            use super::*;

            wide!(
                eight,
                $product,
                512,
                ahead!(0 64),
                ahead!(128 192),
                ahead!(256 320),
                ahead!(384 448)
            );
            wide!(
                sixteen,
                $product,
                1024,
                ahead!(0 64 128 192),
                ahead!(256 320 384 448),
                ahead!(512 576 640 704),
                ahead!(768 832 896 960)
            );
            wide!(
                all,
                $product,
                2048,
                ahead!(0 64 128 192 256 320 384 448),
                ahead!(512 576 640 704 768 832 896 960),
                ahead!(1024 1088 1152 1216 1280 1344 1408 1472),
                ahead!(1536 1600 1664 1728 1792 1856 1920 1984)
            );

            /// # Safety
            /// As for the functions above, one vector of channels wide.
            unsafe fn narrow(t: &MatrixTile) {
                // SAFETY: as above.
                unsafe {
                    asm!(
                        "tilezero tmm0",
                        "tilezero tmm2",
                        "2:",
                        "mov {at}, [{runs}]",
                        "lea {x0}, [{first} + {at}]",
                        "add {at}, {second}",
                        "tileloadd tmm4, [{x0} + {step}]",
                        "tileloadd tmm6, [{w} + {row}]",
                        concat!($product, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm5, [{at} + {step}]",
                        concat!($product, " tmm2, tmm5, tmm6"),
                        "add {runs}, 8",
                        "add {w}, 1024",
                        "dec {count}",
                        "jnz 2b",
                        "tilestored [{sums} + {row}], tmm0",
                        "tilestored [{sums} + {row} + 1024], tmm2",
                        first = in(reg) t.inputs[0],
                        second = in(reg) t.inputs[1],
                        step = in(reg) t.step,
                        runs = inout(reg) t.runs => _,
                        count = inout(reg) t.run_count => _,
                        w = inout(reg) t.weights => _,
                        row = in(reg) 64usize,
                        sums = in(reg) t.sums,
                        at = out(reg) _,
                        x0 = out(reg) _,
                        out("tmm0") _, out("tmm2") _, out("tmm4") _, out("tmm5") _, out("tmm6") _,
                        options(nostack),
                    );
                }
            }

            /// # Safety
            /// The pointers cover the tiles, and the thread has entered.
            pub(super) unsafe fn $name(t: &MatrixTile) {
                // SAFETY: the caller's.
                unsafe {
                    match (t.vectors, t.ahead_lines) {
                        (2, AheadLines::Eight) => eight(t),
                        (2, AheadLines::Sixteen) => sixteen(t),
                        (2, AheadLines::All) => all(t),
                        _ => narrow(t),
                    }
                }
            }
        }
        use $module::$name;
    };
}

multiply!(multiply_int8, int8, "tdpbusd");
multiply!(multiply_bf16, bf16, "tdpbf16ps");

static INT8: Matrix = Matrix {
    enter,
    leave,
    multiply: multiply_int8,
    finish: finish_int8,
};

static BFLOAT: Matrix = Matrix {
    enter,
    leave,
    multiply: multiply_bf16,
    finish: avx512::finish_bf16,
};

pub(super) static AMX: Set = Set {
    isa: Isa::Amx,
    name: "AMX",
    lanes: 16,
    detect: || (avx512::AVX512_BF16.detect)() && has_tiles() && is_permitted(),
    float: FLOAT,
    bf16: Some(Arithmetic {
        // Matrix tiles compute direct sums faster.
        winograd: None,
        matrix: Some(&BFLOAT),
        ..BF16
    }),
    int8: Arithmetic {
        matrix: Some(&INT8),
        ..VNNI
    },
    small: avx512_small,
};
