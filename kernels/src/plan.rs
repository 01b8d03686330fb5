//! From a graph to steps: sums and clamps join the convolution before them, values get places in one arena, weights
//! are packed. Afterward the graph, and the file its weights lie in, are no longer needed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::buffer::{Border, Buffer};
use crate::conv::{Conv, Spec, packed_len};
use crate::depthwise::Depthwise;
use crate::graph::{Error, Graph, Node, Value, Weights, Window};
use crate::isa::Isa;
use crate::memory::{Arena, LINE};
use crate::rows::{Combine, MaxPool, Mean, Read};

/// The most f32 an arena may hold: 1 GiB of them.
pub(crate) const MAX_ARENA: usize = 1 << 28;

/// The most f32 the packed weights may take: 2 GiB of them, which is as much as an ONNX file can hold.
pub(crate) const MAX_WEIGHTS: usize = 1 << 29;

/// One step of a run. Steps follow each other; the tasks of one step may run at once.
pub(crate) enum Step {
    Read(Read),
    Conv(Box<Conv>),
    Depthwise(Box<Depthwise>),
    Combine(Combine),
    MaxPool(MaxPool),
    Mean(Mean),
}

impl Step {
    fn dst(&self) -> &Buffer {
        match self {
            Self::Read(read) => &read.dst,
            Self::Conv(conv) => conv.dst(),
            Self::Depthwise(conv) => conv.dst(),
            Self::Combine(step) => &step.dst,
            Self::MaxPool(step) => &step.dst,
            Self::Mean(step) => &step.dst,
        }
    }

    fn work(&self, threads: usize) -> usize {
        match self {
            Self::Read(read) => read.dst.channels,
            Self::Conv(conv) => conv.tasks(threads),
            Self::Depthwise(conv) => conv.tasks(),
            Self::Combine(_) | Self::MaxPool(_) | Self::Mean(_) => self.dst().blocks(),
        }
    }

    /// Tasks of the step: its work, and the border of each block.
    pub fn tasks(&self, threads: usize) -> usize {
        let has_border = self.dst().border != Border::default();
        self.work(threads) + if has_border { self.dst().blocks() } else { 0 }
    }

    /// Runs one task.
    ///
    /// # Safety
    /// The arena is the plan's, all steps before have ended, `task` is below `tasks(threads)` and nobody else has it.
    pub unsafe fn run(&self, arena: Arena, image: &[f32], threads: usize, task: usize) {
        let work = self.work(threads);
        // SAFETY: the caller's.
        unsafe {
            if task >= work {
                for (start, count) in self.dst().border_runs(task - work) {
                    std::slice::from_raw_parts_mut(arena.at(start), count).fill(0.0);
                }
                return;
            }
            match self {
                Self::Read(read) => read.run(arena, image, task),
                Self::Conv(conv) => conv.run(arena, threads, task),
                Self::Depthwise(conv) => conv.run(arena, task),
                Self::Combine(step) => step.run(arena, task),
                Self::MaxPool(step) => step.run(arena, task),
                Self::Mean(step) => step.run(arena, task),
            }
        }
    }
}

/// A network ready to run.
pub(crate) struct Plan {
    pub isa: Isa,
    pub steps: Vec<Step>,
    pub arena_len: usize,
    pub output: Buffer,
    pub input_len: usize,
    pub packed_bytes: usize,
}

/// A step before its values have places.
struct Draft {
    /// Its place in the graph.
    node: usize,
    reads: Vec<Value>,
    /// The convolution's sum, when it has taken one over.
    residual: Option<Value>,
    gives: Value,
    low: f32,
    high: f32,
}

/// What the image is read into. Few channels stay apart: in blocks, most of a vector would be zeros.
const PLANAR_CHANNELS: usize = 4;

impl Plan {
    pub fn new(graph: &Graph, isa: Isa) -> Result<Self, Error> {
        let shapes = graph.shapes()?;
        let drafts = fuse(graph);
        let (buffers, arena_len) = place(graph, &shapes, &drafts, isa)?;
        let buffer = |value: Value| buffers[value].ok_or(Error::Output(value));
        let mut packed = 0usize;
        for draft in &drafts {
            let node = &graph.nodes[draft.node];
            let groups = match node {
                Node::Conv { groups, .. } => *groups,
                Node::Linear { .. } => 1,
                _ => continue,
            };
            let window = window_of(node, shapes[draft.reads[0]]);
            let (src, dst) = (buffer(draft.reads[0])?, buffer(draft.gives)?);
            let len = packed_len(&src, &dst, groups, &window, isa.lanes());
            packed = len
                .and_then(|len| packed.checked_add(len))
                .unwrap_or(usize::MAX);
            if packed > MAX_WEIGHTS {
                return Err(Error::TooLarge(packed));
            }
        }
        let mut steps = vec![Step::Read(Read { dst: buffer(0)? })];
        for step in all_steps(graph, &drafts, &buffer, isa) {
            steps.push(step?);
        }
        let packed_bytes = steps
            .iter()
            .map(|step| match step {
                Step::Conv(conv) => conv.bytes(),
                Step::Depthwise(conv) => conv.bytes(),
                _ => 0,
            })
            .sum();
        Ok(Self {
            isa,
            steps,
            arena_len,
            output: buffer(graph.output)?,
            input_len: graph.input.iter().product(),
            packed_bytes,
        })
    }
}

/// Lets convolutions take over the sum and the clamp that follow them.
fn fuse(graph: &Graph) -> Vec<Draft> {
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len() + 1];
    for (index, node) in graph.nodes.iter().enumerate() {
        for value in node.inputs() {
            readers[value].push(index);
        }
    }
    // The node that alone reads a value that nobody else wants.
    let only_reader = |value: Value| match readers[value][..] {
        [reader] if value != graph.output => Some(reader),
        _ => None,
    };
    let mut taken = vec![false; graph.nodes.len()];
    let mut drafts = Vec::new();
    for (index, node) in graph.nodes.iter().enumerate() {
        if taken[index] {
            continue;
        }
        let mut draft = Draft {
            node: index,
            reads: node.inputs(),
            residual: None,
            gives: index + 1,
            low: f32::NEG_INFINITY,
            high: f32::INFINITY,
        };
        // A depthwise convolution, the only one in groups before a sum, has no residual input.
        let sums = matches!(node, Node::Conv { groups: 1, .. } | Node::Linear { .. });
        let clamps = matches!(
            node,
            Node::Conv { .. } | Node::Linear { .. } | Node::Add { .. }
        );
        if sums
            && let Some(reader) = only_reader(draft.gives)
            && let Node::Add { a, b } = graph.nodes[reader]
            && a != b
        {
            let other = if a == draft.gives { b } else { a };
            // The other side must be computed by then: of two convolutions the later one takes the sum.
            if other <= index {
                taken[reader] = true;
                draft.residual = Some(other);
                draft.reads.push(other);
                draft.gives = reader + 1;
            }
        }
        if clamps
            && let Some(reader) = only_reader(draft.gives)
            && let Node::Clamp { low, high, .. } = graph.nodes[reader]
        {
            taken[reader] = true;
            (draft.low, draft.high) = (low, high);
            draft.gives = reader + 1;
        }
        if let Node::Clamp { low, high, .. } = node {
            (draft.low, draft.high) = (*low, *high);
        }
        drafts.push(draft);
    }
    drafts
}

/// The window with which a node reads its input, and its shape.
fn window_of(node: &Node, [_, h, w]: [usize; 3]) -> Window {
    match node {
        Node::Conv { window, .. } => *window,
        Node::Linear { .. } => Window {
            kernel: [h, w],
            ..Window::point()
        },
        // Pooling looks where the image ends and needs no border.
        _ => Window::point(),
    }
}

type Places = Vec<Option<Buffer>>;

/// Gives every value that a step reads or writes a place; places of values that are no longer read are used again.
fn place(
    graph: &Graph,
    shapes: &[[usize; 3]],
    drafts: &[Draft],
    isa: Isa,
) -> Result<(Places, usize), Error> {
    let mut borders = vec![Border::default(); shapes.len()];
    let mut last_read = vec![0; shapes.len()];
    for (at, draft) in drafts.iter().enumerate() {
        for value in &draft.reads {
            last_read[*value] = at + 1;
        }
        let node = &graph.nodes[draft.node];
        let Some(&value) = draft.reads.first() else {
            continue;
        };
        if let Node::Conv { window, .. } = node {
            let [_, h, w] = shapes[value];
            let [_, out_h, out_w] = shapes[draft.node + 1];
            borders[value] = borders[value].join(Border::read_by(window, [h, w], [out_h, out_w]));
        }
    }
    last_read[graph.output] = usize::MAX;
    let mut buffers: Places = vec![None; shapes.len()];
    let mut arena = Space::default();
    let only_convs = graph
        .nodes
        .iter()
        .all(|node| !node.inputs().contains(&0) || matches!(node, Node::Conv { groups: 1, .. }));
    for at in 0..=drafts.len() {
        let gives = if at == 0 { 0 } else { drafts[at - 1].gives };
        let [channels, height, width] = shapes[gives];
        let planar = gives == 0 && channels <= PLANAR_CHANNELS && only_convs;
        let lanes = if planar { 1 } else { isa.lanes() };
        let mut buffer = Buffer {
            offset: 0,
            lanes,
            channels,
            height,
            width,
            border: borders[gives],
        };
        let len = checked_len(&buffer).ok_or(Error::TooLarge(usize::MAX))?;
        buffer.offset = arena.take(len.next_multiple_of(LINE));
        if arena.end > MAX_ARENA {
            return Err(Error::TooLarge(arena.end));
        }
        buffers[gives] = Some(buffer);
        // After this step, what it read last is free. A step never writes where it reads.
        for (old, last_read) in buffers.iter().zip(&last_read) {
            if let Some(old) = old
                && *last_read == at
            {
                arena.give_back(old.offset, old.len().next_multiple_of(LINE));
            }
        }
    }
    Ok((buffers, arena.end))
}

/// The buffer's length where it is sane.
fn checked_len(buffer: &Buffer) -> Option<usize> {
    let Border {
        top,
        left,
        bottom,
        right,
    } = buffer.border;
    let rows = buffer.height.checked_add(top)?.checked_add(bottom)?;
    let columns = buffer.width.checked_add(left)?.checked_add(right)?;
    let channels = buffer.blocks().checked_mul(buffer.lanes)?;
    let len = rows.checked_mul(columns)?.checked_mul(channels)?;
    (len <= MAX_ARENA).then_some(len)
}

/// Free stretches of the arena, in order.
#[derive(Default)]
struct Space {
    free: Vec<(usize, usize)>,
    end: usize,
}

impl Space {
    /// The smallest stretch that is large enough, or new room at the end.
    fn take(&mut self, len: usize) -> usize {
        let best = self
            .free
            .iter()
            .enumerate()
            .filter(|(_, (_, room))| *room >= len)
            .min_by_key(|(_, (_, room))| *room);
        if let Some((index, &(start, room))) = best {
            if room == len {
                self.free.remove(index);
            } else {
                self.free[index] = (start + len, room - len);
            }
            return start;
        }
        // A free stretch at the end grows.
        if let Some(&(start, room)) = self.free.last()
            && start + room == self.end
        {
            self.free.pop();
            self.end = start + len;
            return start;
        }
        let start = self.end;
        self.end += len;
        start
    }

    fn give_back(&mut self, start: usize, len: usize) {
        self.free.push((start, len));
        self.free.sort_unstable();
        let mut joined: Vec<(usize, usize)> = Vec::with_capacity(self.free.len());
        for &(start, len) in &self.free {
            match joined.last_mut() {
                Some((before, room)) if *before + *room == start => *room += len,
                _ => joined.push((start, len)),
            }
        }
        self.free = joined;
    }
}

/// The step of every draft; packing weights is shared out between all cores.
fn all_steps(
    graph: &Graph,
    drafts: &[Draft],
    buffer: &(impl Fn(Value) -> Result<Buffer, Error> + Sync),
    isa: Isa,
) -> Vec<Result<Step, Error>> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(drafts.len().max(1));
    let next = AtomicUsize::new(0);
    let member = || {
        let mut made = Vec::new();
        while let Some(draft) = drafts.get(next.fetch_add(1, Ordering::Relaxed)) {
            made.push((draft.node, step(graph, draft, buffer, isa)));
        }
        made
    };
    let mut all = thread::scope(|scope| {
        // A thread that cannot be had makes packing slower, not wrong.
        let others: Vec<_> = (1..threads)
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, member).ok())
            .collect();
        let mut all = member();
        for other in others {
            match other.join() {
                Ok(made) => all.extend(made),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(node, _)| *node);
    all.into_iter().map(|(_, step)| step).collect()
}

fn step(
    graph: &Graph,
    draft: &Draft,
    buffer: &impl Fn(Value) -> Result<Buffer, Error>,
    isa: Isa,
) -> Result<Step, Error> {
    let node = &graph.nodes[draft.node];
    let src = buffer(draft.reads[0])?;
    let dst = buffer(draft.gives)?;
    let unsupported = |reason: String| Error::Unsupported {
        node: draft.node,
        reason,
    };
    let (low, high) = (draft.low, draft.high);
    let conv = |weights: &Weights, bias: Option<&Weights>, groups: usize, window: Window| {
        let residual = draft.residual.map(buffer).transpose()?;
        let unread = |source| Error::Weights {
            node: draft.node,
            source,
        };
        let weights = weights.read().map_err(unread)?;
        let bias = bias.map(Weights::read).transpose().map_err(unread)?;
        let spec = Spec {
            src,
            dst,
            residual,
            weights: &weights,
            bias: bias.as_deref(),
            groups,
            window,
            low,
            high,
        };
        if let Some(depthwise) = Depthwise::new(isa, &spec) {
            return Ok(Step::Depthwise(Box::new(depthwise)));
        }
        let conv = Conv::new(isa, &spec).ok_or_else(|| {
            unsupported(format!("a convolution in {groups} groups with {window:?}"))
        })?;
        Ok(Step::Conv(Box::new(conv)))
    };
    match node {
        Node::Conv {
            weights,
            bias,
            groups,
            window,
            ..
        } => conv(weights, bias.as_ref(), *groups, *window),
        Node::Linear { weights, bias, .. } => {
            let window = window_of(node, [src.channels, src.height, src.width]);
            conv(weights, bias.as_ref(), 1, window)
        }
        _ if src.lanes == 1 => Err(unsupported(
            "the image itself is not convolved first".into(),
        )),
        Node::Add { .. } => {
            let b = Some(buffer(draft.reads[1])?);
            Ok(Step::Combine(Combine {
                a: src,
                b,
                dst,
                low,
                high,
            }))
        }
        Node::Clamp { .. } => Ok(Step::Combine(Combine {
            a: src,
            b: None,
            dst,
            low,
            high,
        })),
        Node::MaxPool { window, .. } => Ok(Step::MaxPool(MaxPool {
            src,
            dst,
            window: *window,
        })),
        Node::GlobalAvgPool { .. } => Ok(Step::Mean(Mean { src, dst })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_used_again() {
        let mut space = Space::default();
        let (a, b) = (space.take(16), space.take(32));
        assert_eq!((a, b, space.end), (0, 16, 48));
        space.give_back(a, 16);
        assert_eq!(space.take(32), 48);
        space.give_back(b, 32);
        assert_eq!(space.take(48), 0, "neighbors are joined");
        space.give_back(48, 32);
        assert_eq!(
            (space.take(64), space.end),
            (48, 112),
            "the last stretch grows"
        );
    }
}
