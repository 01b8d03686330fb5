//! Square windows, for every test program, the benchmarks and the fuzz target.

use kernels::Window;

pub fn window(kernel: usize, stride: usize, before: usize, after: usize) -> Window {
    Window {
        kernel: [kernel; 2],
        stride: [stride; 2],
        dilation: [1; 2],
        before: [before; 2],
        after: [after; 2],
    }
}
