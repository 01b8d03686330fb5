//! Constant numbers of a graph: in memory or still in a file, as float32 or as quantized integers.

use std::borrow::Cow;
use std::{fmt, io};

/// Constant numbers in row-major order.
#[derive(Clone)]
pub enum WeightData<'a> {
    /// In memory.
    Floats(Cow<'a, [f32]>),
    /// Elsewhere, and read when a plan packs them: a large network's weights are then held once, not twice.
    Source(&'a dyn WeightSource),
    /// Bytes with scales: `real = scale * (stored - zero_point)`.
    Bytes(Bytes<'a>),
    /// int32 with scales and zero points of 0, as quantized graphs store biases.
    Integers {
        /// What is stored.
        values: Cow<'a, [i32]>,
        /// One, or one for each value.
        scales: Cow<'a, [f32]>,
    },
}

/// Quantized weights of one byte.
#[derive(Clone)]
pub struct Bytes<'a> {
    /// What is stored.
    pub values: ByteValues<'a>,
    /// The bytes are int8, not uint8.
    pub is_signed: bool,
    /// One, or one for each output channel.
    pub scales: Cow<'a, [f32]>,
    /// As many as scales; zero where there is none.
    pub zero_points: Cow<'a, [i32]>,
}

/// Where quantized weights are.
#[derive(Clone)]
pub enum ByteValues<'a> {
    /// In memory.
    Here(Cow<'a, [u8]>),
    /// Elsewhere.
    Source(&'a dyn WeightSource),
}

/// Numbers that are not in memory yet.
pub trait WeightSource: Sync {
    /// How many there are.
    fn count(&self) -> usize;

    /// Reads them all; `to` has [`WeightSource::count`] values.
    ///
    /// # Errors
    /// Whatever reading them meets.
    fn read(&self, to: &mut [f32]) -> io::Result<()>;

    /// Reads them as they are stored, one byte each.
    ///
    /// # Errors
    /// Whatever reading them meets; [`io::ErrorKind::Unsupported`] where they are not stored as bytes.
    fn read_bytes(&self, _to: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Where one layer after the other is read into: memory given back after each would stay with the program for a while,
/// in pieces that fit no other layer.
pub(crate) struct Room<T> {
    largest: usize,
    values: Vec<T>,
}

/// Numbers for which every thread makes room from the start. More are asked for by the thread that reads them, so that
/// the one large layer of a network is not promised to all.
const USUAL_ROOM: usize = 4 << 20;

impl<T: Copy + Default> Room<T> {
    /// Room for as many numbers as the largest layer has, made when it is first needed.
    pub(crate) fn new(largest: usize) -> Self {
        Self {
            largest: largest.min(USUAL_ROOM),
            values: Vec::new(),
        }
    }

    /// Room for so many; what it holds is left over from another layer.
    fn of(&mut self, count: usize) -> &mut [T] {
        if self.values.len() < count {
            // What is too small goes first.
            self.values = Vec::new();
            self.values = vec![T::default(); count.max(self.largest)];
        }
        &mut self.values[..count]
    }
}

impl Bytes<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        match &self.values {
            ByteValues::Here(values) => values.len(),
            ByteValues::Source(source) => source.count(),
        }
    }

    /// Scale and zero point of an output channel.
    pub(crate) fn affine(&self, channel: usize) -> (f32, i32) {
        let at = |len: usize| if len == 1 { 0 } else { channel };
        (
            self.scales[at(self.scales.len())],
            self.zero_points[at(self.zero_points.len())],
        )
    }

    /// The stored numbers.
    pub(crate) fn read<'r>(&'r self, room: &'r mut Room<u8>) -> io::Result<&'r [u8]> {
        match &self.values {
            ByteValues::Here(values) => Ok(values),
            ByteValues::Source(source) => {
                let values = room.of(source.count());
                source.read_bytes(values)?;
                Ok(values)
            }
        }
    }

    /// A stored byte as a number.
    pub(crate) fn number(&self, byte: u8) -> i32 {
        if self.is_signed {
            i32::from(byte as i8)
        } else {
            i32::from(byte)
        }
    }
}

impl WeightData<'_> {
    /// How many there are.
    pub fn count(&self) -> usize {
        match self {
            Self::Floats(floats) => floats.len(),
            Self::Source(source) => source.count(),
            Self::Bytes(bytes) => bytes.count(),
            Self::Integers { values, .. } => values.len(),
        }
    }

    /// Whether the scales fit `channels` output channels.
    pub(crate) fn scales_fit(&self, channels: usize) -> bool {
        let fits = |len: usize| len == 1 || len == channels;
        match self {
            Self::Floats(_) | Self::Source(_) => true,
            Self::Bytes(bytes) => fits(bytes.scales.len()) && fits(bytes.zero_points.len()),
            Self::Integers { values, scales } => scales.len() == 1 || scales.len() == values.len(),
        }
    }

    /// As [`WeightData::read`]; what is elsewhere is read into the room.
    pub(crate) fn read_into<'r>(
        &'r self,
        out: usize,
        room: &'r mut Room<f32>,
    ) -> io::Result<Cow<'r, [f32]>> {
        let Self::Source(source) = self else {
            return self.read(out);
        };
        let floats = room.of(source.count());
        source.read(floats)?;
        Ok(Cow::Borrowed(floats))
    }

    /// All of them as float32; those of `out` output channels.
    pub(crate) fn read(&self, out: usize) -> io::Result<Cow<'_, [f32]>> {
        match self {
            Self::Floats(floats) => Ok(Cow::Borrowed(floats)),
            Self::Source(source) => {
                let mut floats = vec![0.0; source.count()];
                source.read(&mut floats)?;
                Ok(Cow::Owned(floats))
            }
            Self::Bytes(bytes) => {
                let mut room = Room::new(0);
                let stored = bytes.read(&mut room)?;
                let each = (stored.len() / out).max(1);
                let mut floats = Vec::with_capacity(stored.len());
                for (channel, row) in stored.chunks(each).enumerate() {
                    let (scale, zero) = bytes.affine(channel);
                    floats.extend(row.iter().map(|b| (bytes.number(*b) - zero) as f32 * scale));
                }
                Ok(Cow::Owned(floats))
            }
            Self::Integers { values, scales } => {
                let scale = |i: usize| scales[if scales.len() == 1 { 0 } else { i }];
                let each = values.iter().enumerate();
                Ok(Cow::Owned(
                    each.map(|(i, v)| *v as f32 * scale(i)).collect(),
                ))
            }
        }
    }
}

impl fmt::Debug for WeightData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} weights", self.count())
    }
}
