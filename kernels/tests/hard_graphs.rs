//! What a network must not be given, and what must not spoil it: NaN and overflow in images, sizes and windows that do
//! not fit, any number of threads.

#![allow(clippy::unwrap_used)]

mod plain;

use kernels::{Graph, Isa, KernelError, Network, Node, Window};
use plain::{Numbers, conv, window};

#[test]
fn a_nan_is_not_hidden() {
    let mut n = Numbers(6);
    let nodes = vec![
        conv(&mut n, 0, 3, 16, 1, window(3, 1, 1, 1)),
        Node::Clamp {
            input: 1,
            low: 0.0,
            high: 6.0,
        },
        Node::MaxPool {
            input: 2,
            window: window(3, 2, 1, 1),
        },
        Node::Clamp {
            input: 3,
            low: 0.0,
            high: 6.0,
        },
        Node::GlobalAvgPool { input: 4 },
    ];
    let graph = Graph {
        input: [3, 8, 8],
        nodes,
        output: 5,
    };
    let mut image = n.many(3 * 64);
    image[77] = f32::NAN;
    for isa in Isa::available() {
        let network = Network::for_isa(&graph, isa).unwrap();
        let mut answer = vec![0.0; 16];
        network.run(&image, &mut answer, 2);
        assert!(answer.iter().all(|a| a.is_nan()), "{isa}: {answer:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut n = Numbers(8);
    let refused = |input: [usize; 3], nodes: Vec<Node>, output| {
        Network::new(&Graph {
            input,
            nodes,
            output,
        })
        .err()
        .expect("refused")
        .to_string()
    };
    let node = conv(&mut n, 0, 3, 4, 1, window(3, 1, 1, 1));
    assert!(refused([4, 8, 8], vec![node.clone()], 1).contains("expected 144 weights, got 108"));
    assert!(refused([3, 8, 8], vec![node.clone()], 2).contains("value 2 is wanted"));
    assert!(
        refused([3, 8, 8], vec![Node::Add { a: 0, b: 1 }], 1).contains("before it is computed")
    );
    let big = conv(&mut n, 0, 3, 4, 1, window(9, 1, 0, 0));
    assert!(refused([3, 8, 8], vec![big], 1).contains("does not fit 8 x 8"));
    let lrn = Node::Lrn {
        input: 0,
        size: 99,
        alpha: 1.0,
        beta: 0.75,
        bias: 1.0,
    };
    let network = Network::new(&Graph {
        input: [3, 8, 8],
        nodes: vec![lrn],
        output: 1,
    });
    assert!(matches!(network, Err(KernelError::Unsupported { .. })));
    let huge = Graph {
        input: [1 << 20, 1 << 20, 1 << 20],
        nodes: vec![Node::Clamp {
            input: 0,
            low: 0.0,
            high: 1.0,
        }],
        output: 1,
    };
    assert!(matches!(Network::new(&huge), Err(KernelError::TooLarge(_))));
    // Four channels of two groups, packed for full vectors of both, are 16 times what the file holds with 8 lanes, and 64
    // times with 16.
    let wide = conv(&mut n, 0, 2, 4, 2, window(3000, 1, 0, 0));
    let graph = Graph {
        input: [2, 3000, 3000],
        nodes: vec![
            Node::Clamp {
                input: 0,
                low: 0.0,
                high: 1.0,
            },
            match wide {
                Node::Conv {
                    weights,
                    bias,
                    out,
                    groups,
                    window,
                    ..
                } => Node::Conv {
                    input: 1,
                    weights,
                    bias,
                    out,
                    groups,
                    window,
                },
                other => other,
            },
        ],
        output: 2,
    };
    assert!(matches!(
        Network::new(&graph),
        Err(KernelError::TooLarge(_))
    ));
}

#[test]
fn sizes_that_overflow_are_refused() {
    let base = window(2, 1, 0, 0);
    let most = usize::MAX;
    let windows = [
        Window {
            dilation: [most; 2],
            ..base
        },
        Window {
            dilation: [1, most],
            ..base
        },
        Window {
            before: [most, 0],
            ..base
        },
        Window {
            after: [0, most],
            ..base
        },
        Window {
            before: [most / 2; 2],
            after: [most / 2 + 2; 2],
            ..base
        },
        Window {
            kernel: [0, 1],
            ..base
        },
        Window {
            stride: [0, 1],
            ..base
        },
    ];
    for window in windows {
        assert_eq!(window.output([8, 8]), None, "{window:?}");
        let mut n = Numbers(9);
        let weights = n.weights(3 * 4 * window.kernel[0] * window.kernel[1]);
        let node = Node::Conv {
            input: 0,
            weights,
            bias: None,
            out: 4,
            groups: 1,
            window,
        };
        let graph = Graph {
            input: [3, 8, 8],
            nodes: vec![node],
            output: 1,
        };
        assert!(
            matches!(Network::new(&graph), Err(KernelError::Node { .. })),
            "{window:?}"
        );
    }
    // A border that can be counted but not held.
    let wide = Window {
        before: [1 << 28, 0],
        ..base
    };
    let mut n = Numbers(9);
    let node = conv(&mut n, 0, 3, 4, 1, wide);
    let graph = Graph {
        input: [3, 8, 8],
        nodes: vec![node],
        output: 1,
    };
    assert!(matches!(
        Network::new(&graph),
        Err(KernelError::TooLarge(_))
    ));
}

#[test]
fn an_image_that_overflows_spoils_no_later_one() {
    let mut n = Numbers(10);
    // The image is read into full blocks, because its first reader is no plain convolution.
    let nodes = vec![
        Node::Clamp {
            input: 0,
            low: -1e38,
            high: f32::INFINITY,
        },
        conv(&mut n, 1, 3, 20, 1, window(3, 1, 1, 1)),
        conv(&mut n, 2, 20, 20, 1, window(3, 1, 1, 1)),
        Node::GlobalAvgPool { input: 3 },
    ];
    let graph = Graph {
        input: [3, 9, 9],
        nodes,
        output: 4,
    };
    let image = n.many(3 * 81);
    let mut spoiled = image.clone();
    spoiled.iter_mut().for_each(|v| *v = 3e38);
    for isa in Isa::available() {
        let network = Network::for_isa(&graph, isa).unwrap();
        let answer = |image: &[f32]| {
            let mut answer = vec![0.0; 20];
            network.run(image, &mut answer, 1);
            answer
        };
        let before = answer(&image);
        assert!(
            answer(&spoiled).iter().any(|v| !v.is_finite()),
            "{isa}: it does not overflow"
        );
        assert_eq!(before, answer(&image), "{isa}");
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads")]
fn any_number_of_threads_is_a_number_of_threads() {
    let mut n = Numbers(11);
    let nodes = vec![conv(&mut n, 0, 3, 40, 1, window(3, 1, 1, 1))];
    let network = Network::new(&Graph {
        input: [3, 20, 20],
        nodes,
        output: 1,
    })
    .unwrap();
    let images = n.many(5 * network.input_len());
    let answer = |threads| {
        let mut answer = vec![0.0; 5 * network.output_len()];
        network.run(&images, &mut answer, threads);
        answer
    };
    let one = answer(1);
    for threads in [0, 2, 400, usize::MAX] {
        assert_eq!(one, answer(threads), "{threads} threads");
    }
    // From many threads at once, each on its own images.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..5).for_each(|_| assert_eq!(one, answer(2))));
        }
    });
}
