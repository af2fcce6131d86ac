//! Windows that slide over spatial axes, of convolutions and pools.

use crate::node::Node;

/// Strides, dilations, pads and groups beyond it are damage, and would overflow.
pub(crate) const MOST_COUNT: usize = 1 << 20;

/// Kernel sizes with stride, dilation and padding on each spatial axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) kernel: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    pub(crate) dilations: Vec<usize>,
    pub(crate) before: Vec<usize>,
    pub(crate) after: Vec<usize>,
}

impl Window {
    /// What a node's attributes say; padding as given, or as `auto_pad` asks for over `sizes`.
    pub(crate) fn of(node: &Node, kernel: &[usize], sizes: &[usize]) -> Result<Self, String> {
        let rank = kernel.len();
        if sizes.len() != rank {
            return Err(format!(
                "expected {} spatial axes of the kernel, got {rank}",
                sizes.len()
            ));
        }
        if let Some(said) = node.ints("kernel_shape")
            && !said
                .iter()
                .map(|&size| size as usize)
                .eq(kernel.iter().copied())
        {
            return Err(format!("expected a kernel of {said:?}, got {kernel:?}"));
        }
        let counts = |name: &str, default: usize, rank: usize| match node.ints(name) {
            None => Ok(vec![default; rank]),
            Some(list) => list
                .iter()
                .map(|&count| {
                    usize::try_from(count)
                        .ok()
                        .filter(|&count| (default..=MOST_COUNT).contains(&count))
                })
                .collect::<Option<Vec<_>>>()
                .filter(|counts| counts.len() == rank)
                .ok_or_else(|| format!("expected {name} for {rank} axes, got {list:?}")),
        };
        let pads = counts("pads", 0, 2 * rank)?;
        let mut window = Self {
            kernel: kernel.to_vec(),
            strides: counts("strides", 1, rank)?,
            dilations: counts("dilations", 1, rank)?,
            before: pads[..rank].to_vec(),
            after: pads[rank..].to_vec(),
        };
        let auto = node.text("auto_pad", "NOTSET");
        if let "SAME_UPPER" | "SAME_LOWER" = auto
            && !node.op_type.ends_with("Transpose")
        {
            for (axis, &size) in sizes.iter().enumerate() {
                let out = size.div_ceil(window.strides[axis]);
                let reach = out.saturating_sub(1) * window.strides[axis] + window.span(axis);
                let all = reach.saturating_sub(size);
                window.share(axis, all, auto == "SAME_UPPER");
            }
        }
        Ok(window)
    }

    /// Padding of one axis, the odd one at the end or at the beginning.
    pub(crate) fn share(&mut self, axis: usize, all: usize, odd_at_end: bool) {
        let (less, more) = (all / 2, all - all / 2);
        (self.before[axis], self.after[axis]) = if odd_at_end {
            (less, more)
        } else {
            (more, less)
        };
    }

    /// How many elements it reaches over on an axis.
    pub(crate) fn span(&self, axis: usize) -> usize {
        (self.kernel[axis].max(1) - 1) * self.dilations[axis] + 1
    }

    /// Number of positions on each axis.
    pub(crate) fn positions(&self, sizes: &[usize], ceil: bool) -> Result<Vec<usize>, String> {
        let position = |axis: usize| {
            let whole = sizes[axis] + self.before[axis] + self.after[axis];
            let stride = self.strides[axis];
            let rest = whole.checked_sub(self.span(axis)).ok_or_else(|| {
                format!(
                    "expected {sizes:?} to hold the kernel {:?}, got less",
                    self.kernel
                )
            })?;
            if !ceil {
                return Ok(rest / stride + 1);
            }
            let count = rest.div_ceil(stride) + 1;
            // The last window has to begin inside the input or its padding before.
            let beyond = (count - 1) * stride >= sizes[axis] + self.before[axis];
            Ok(if beyond { count - 1 } else { count })
        };
        (0..sizes.len()).map(position).collect()
    }

    /// For each tap of the kernel, in row-major order, the pairs of a position and the element of
    /// the input that the tap lies on there, both counted in row-major order. Padding has no pair.
    pub(crate) fn taps(&self, sizes: &[usize], positions: &[usize]) -> Vec<Vec<(usize, usize)>> {
        let on_axis = |axis: usize, tap: usize, position: usize| {
            let padded = position * self.strides[axis] + tap * self.dilations[axis];
            let place = padded.checked_sub(self.before[axis])?;
            (place < sizes[axis]).then_some(place)
        };
        let tap = |tap: Vec<usize>| {
            let mut pairs = Vec::new();
            for (flat, position) in corners(positions).into_iter().enumerate() {
                let mut element = Some(0);
                for axis in 0..sizes.len() {
                    let place = on_axis(axis, tap[axis], position[axis]);
                    element = element.zip(place).map(|(sum, at)| sum * sizes[axis] + at);
                }
                pairs.extend(element.map(|element| (flat, element)));
            }
            pairs
        };
        corners(&self.kernel).into_iter().map(tap).collect()
    }
}

/// All indices of an array of these sizes, in row-major order.
pub(crate) fn corners(sizes: &[usize]) -> Vec<Vec<usize>> {
    let count: usize = sizes.iter().product();
    (0..count)
        .map(|mut flat| {
            let mut index = vec![0; sizes.len()];
            for axis in (0..sizes.len()).rev() {
                index[axis] = flat % sizes[axis];
                flat /= sizes[axis];
            }
            index
        })
        .collect()
}
