//! Every operator, over random sizes.

use crate::case::{Case, floats, ints, positive, text};
use eidetic_graph::proto::{AttributeProto, TensorProto};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, rng_seed: RngSeed::Fixed(0), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn functions_of_one_element(n in 1..=7_usize, seed: u64) {
        for op in ["Neg", "Exp", "Sigmoid", "Tanh", "Erf", "Relu", "LeakyRelu", "Sin", "Cos", "Abs", "Identity"] {
            Case::new(op, seed).input(&[n, 2], floats).check();
        }
        for op in ["Sqrt", "Log", "Reciprocal"] {
            Case::new(op, seed).input(&[n], positive).check();
        }
        Case::new("LeakyRelu", seed).input(&[n], floats).with(AttributeProto::float("alpha", 0.3)).check();
        Case::new("Gelu", seed).opset(20).input(&[n], floats).check();
        Case::new("Gelu", seed).opset(20).input(&[n], floats).with(text("approximate", "tanh")).check();
        Case::new("Clip", seed).input(&[n], floats).constant(&[], &[-0.5]).constant(&[], &[0.8]).check();
        Case::new("Clip", seed).input(&[n], floats).absent().constant(&[], &[0.3]).check();
    }

    #[test]
    fn arithmetic_with_broadcast(a in 1..=3_usize, b in 1..=4_usize, seed: u64) {
        for op in ["Add", "Sub", "Mul", "Div", "Pow"] {
            for (left, right) in [
                (vec![a, b], vec![a, b]),
                (vec![a, b], vec![b]),
                (vec![a, 1], vec![1, b]),
                (vec![], vec![a, b]),
                (vec![b], vec![a, 1, 1]),
            ] {
                Case::new(op, seed).input(&left, positive).input(&right, positive).check();
            }
        }
        for exponent in [1.0, 2.0, 3.0] {
            Case::new("Pow", seed).input(&[a, b], floats).constant(&[], &[exponent]).check();
            Case::new("Pow", seed).input(&[b], floats).constant(&[a, 1], &vec![exponent; a]).check();
        }
    }

    #[test]
    fn choices(a in 1..=3_usize, b in 1..=4_usize, seed: u64) {
        let flags: Vec<i32> = (0..a * b).map(|place| i32::from((place as u64 ^ seed) as u8 & 1)).collect();
        Case::new("Where", seed)
            .tensor(TensorProto { data_type: 9, int32_data: flags, dims: vec![a as i64, b as i64], ..TensorProto::default() })
            .input(&[b], floats)
            .input(&[a, 1], floats)
            .check();
    }

    #[test]
    fn products(a in 1..=3_usize, b in 1..=3_usize, m in 1..=4_usize, k in 1..=4_usize, n in 1..=4_usize, seed: u64) {
        for (left, right) in [
            (vec![m, k], vec![k, n]),
            (vec![a, b, m, k], vec![k, n]),
            (vec![a, b, m, k], vec![b, k, n]),
            (vec![a, 1, m, k], vec![1, b, k, n]),
            (vec![m, k], vec![b, k, n]),
            (vec![k], vec![b, k, n]),
            (vec![a, m, k], vec![k]),
            (vec![k], vec![k]),
        ] {
            Case::new("MatMul", seed).input(&left, floats).input(&right, floats).check();
        }
        for (turn_a, turn_b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let left = if turn_a == 1 { [k, m] } else { [m, k] };
            let right = if turn_b == 1 { [n, k] } else { [k, n] };
            for bias in [vec![n], vec![m, 1], vec![m, n], vec![]] {
                Case::new("Gemm", seed)
                    .input(&left, floats)
                    .input(&right, floats)
                    .input(&bias, floats)
                    .with(AttributeProto::int("transA", turn_a))
                    .with(AttributeProto::int("transB", turn_b))
                    .with(AttributeProto::float("alpha", 0.5))
                    .with(AttributeProto::float("beta", 1.5))
                    .check();
            }
        }
        Case::new("Einsum", seed)
            .input(&[a, m, k], floats)
            .input(&[a, n, k], floats)
            .with(text("equation", "bik, bjk -> bij"))
            .check();
        Case::new("Einsum", seed)
            .input(&[a, m, k], floats)
            .input(&[k, n], floats)
            .with(text("equation", "aic,cd->da"))
            .check();
        Case::new("Einsum", seed).input(&[m, k], floats).with(text("equation", "ij->ji")).check();
    }

    #[test]
    fn convolutions(
        (images, groups, c, m) in (1..=2_usize, 1..=2_usize, 1..=2_usize, 1..=2_usize),
        kernel in [1..=3_usize, 1..=3_usize],
        stride in [1..=3_i64, 1..=2_i64],
        dilation in [1..=2_i64, 1..=2_i64],
        pads in [0..=2_i64, 0..=2_i64, 0..=2_i64, 0..=2_i64],
        extra in [0..=3_usize, 0..=3_usize],
        seed: u64,
    ) {
        let span = |axis: usize| (kernel[axis] - 1) * dilation[axis] as usize + 1;
        let size = [span(0) + extra[0], span(1) + extra[1]];
        for (stride, dilation) in [(stride, dilation), ([1, 1], dilation), (stride, [1, 1])] {
            Case::new("Conv", seed)
                .input(&[images, groups * c, size[0], size[1]], floats)
                .input(&[groups * m, c, kernel[0], kernel[1]], floats)
                .input(&[groups * m], floats)
                .with(ints("strides", &stride))
                .with(ints("dilations", &dilation))
                .with(ints("pads", &pads))
                .with(AttributeProto::int("group", groups as i64))
                .check();
            // ONNX Runtime 1.24 is wrong where output padding reaches the stride.
            let most = |axis: usize| stride[axis] - 1;
            Case::new("ConvTranspose", seed)
                .input(&[images, groups * c, size[0], size[1]], floats)
                .input(&[groups * c, m, kernel[0], kernel[1]], floats)
                .input(&[groups * m], floats)
                .with(ints("strides", &stride))
                .with(ints("dilations", &dilation))
                .with(ints("pads", &pads.map(|pad| pad.min((span(0).min(span(1)) as i64 - 1) / 2))))
                .with(ints("output_padding", &[most(0), most(1)]))
                .with(AttributeProto::int("group", groups as i64))
                .check();
        }
        Case::new("ConvTranspose", seed)
            .input(&[images, c, 3, 4], floats)
            .input(&[c, m, 2, 2], floats)
            .with(ints("dilations", &[2, 3]))
            .with(ints("output_padding", &[1, 2]))
            .float64_only()
            .check();
        Case::new("Conv", seed)
            .input(&[images, c, size[0]], floats)
            .input(&[m, c, kernel[0]], floats)
            .with(text("auto_pad", "SAME_LOWER"))
            .with(ints("strides", &[2]))
            .check();
        Case::new("Conv", seed)
            .input(&[1, c, 3, 2, 4], floats)
            .input(&[m, c, 2, 1, 2], floats)
            .with(ints("strides", &[1, 1, 2]))
            .check();
    }

    #[test]
    fn pools(
        (images, c) in (1..=2_usize, 1..=2_usize),
        kernel in [1..=3_usize, 1..=3_usize],
        stride in [1..=3_i64, 1..=3_i64],
        extra in [0..=4_usize, 0..=4_usize],
        ceil in 0..=1_i64,
        include in 0..=1_i64,
        padded: bool,
        seed: u64,
    ) {
        let size = [kernel[0] + extra[0], kernel[1] + extra[1]];
        let pads: Vec<i64> = [0, 1, 0, 1].map(|axis| i64::from(padded) * (kernel[axis] as i64 / 2)).to_vec();
        let kernel = kernel.map(|size| size as i64);
        for (op, opset) in [("AveragePool", 17), ("AveragePool", 19), ("MaxPool", 17)] {
            let case = Case::new(op, seed)
                .opset(opset)
                .input(&[images, c, size[0], size[1]], floats)
                .with(ints("kernel_shape", &kernel))
                .with(ints("strides", &stride))
                .with(ints("pads", &pads))
                .with(AttributeProto::int("ceil_mode", ceil));
            // There ONNX Runtime 1.24 leaves padding at the end out of the count.
            let include = if opset == 19 { 0 } else { include };
            match op {
                "AveragePool" => case.with(AttributeProto::int("count_include_pad", include)).check(),
                _ => case.check(),
            }
        }
        Case::new("AveragePool", seed)
            .opset(19)
            .input(&[images, c, 6, 3], floats)
            .with(ints("kernel_shape", &[2, 2]))
            .with(ints("strides", &[3, 2]))
            .with(ints("pads", &[1, 0, 1, 1]))
            .with(AttributeProto::int("count_include_pad", 1))
            .float64_only()
            .check();
        Case::new("GlobalAveragePool", seed).input(&[images, c, size[0], size[1]], floats).check();
    }

    #[test]
    fn softmax_and_normalisations(n in 1..=2_usize, groups in 1..=2_usize, c in 1..=2_usize, h in 1..=3_usize, w in 3..=4_usize, seed: u64) {
        let channels = groups * c;
        for axis in [0, 1, -1] {
            for op in ["Softmax", "LogSoftmax"] {
                Case::new(op, seed).input(&[n, channels, w], floats).with(AttributeProto::int("axis", axis)).check();
            }
        }
        let image = [n, channels, h, w];
        Case::new("InstanceNormalization", seed)
            .input(&image, floats).input(&[channels], floats).input(&[channels], floats)
            .with(AttributeProto::float("epsilon", 0.01)).check();
        for (opset, scales) in [(18, groups), (21, channels)] {
            Case::new("GroupNormalization", seed)
                .opset(opset)
                .input(&image, floats).input(&[scales], floats).input(&[scales], floats)
                .with(AttributeProto::int("num_groups", groups as i64))
                .with(AttributeProto::float("epsilon", 0.01))
                .check();
        }
        for (axis, scale) in [(-1, vec![w]), (2, vec![h, w]), (-3, vec![channels, 1, w])] {
            for opset in [17, 18] {
                Case::new("LayerNormalization", seed)
                    .opset(opset)
                    .input(&image, floats).input(&scale, floats).input(&scale, floats)
                    .with(AttributeProto::int("axis", axis))
                    .with(AttributeProto::float("epsilon", 0.01))
                    .check();
            }
        }
        let variance: Vec<f64> = (0..channels).map(|place| 0.5 + place as f64).collect();
        Case::new("BatchNormalization", seed)
            .input(&image, floats).input(&[channels], floats).input(&[channels], floats)
            .constant(&[channels], &variance).constant(&[channels], &variance).check();
    }

    #[test]
    fn layouts(a in 1..=3_usize, b in 1..=3_usize, c in 1..=4_usize, seed: u64) {
        let shape = [a, b, c];
        Case::new("Reshape", seed).input(&shape, floats).integers(&[0, -1]).check();
        Case::new("Flatten", seed).input(&shape, floats).with(AttributeProto::int("axis", 2)).check();
        Case::new("Transpose", seed).input(&shape, floats).with(ints("perm", &[1, 2, 0])).check();
        Case::new("Transpose", seed).input(&shape, floats).check();
        Case::new("Expand", seed).input(&[b, 1], floats).integers(&[a as i64, 1, c as i64]).check();
        Case::new("Squeeze", seed).input(&[a, 1, c], floats).integers(&[1]).check();
        Case::new("Unsqueeze", seed).input(&[a, c], floats).integers(&[0, -1]).check();
        Case::new("Tile", seed).input(&[a, c], floats).integers(&[2, 3]).check();
        Case::new("Cast", seed).input(&[a, c], floats).with(AttributeProto::int("to", 11))
            .float64_only().check();
        for keep in [0, 1] {
            let keep = AttributeProto::int("keepdims", keep);
            Case::new("ReduceSum", seed).input(&shape, floats).integers(&[-1, 0]).with(keep.clone()).check();
            Case::new("ReduceSum", seed).input(&shape, floats).with(keep.clone()).check();
            Case::new("ReduceMean", seed).input(&shape, floats).with(ints("axes", &[1])).with(keep.clone()).check();
            Case::new("ReduceMean", seed).opset(18).input(&shape, floats).integers(&[1, 2]).with(keep).check();
        }
    }

    #[test]
    fn pieces(a in 1..=3_usize, b in 1..=3_usize, c in 2..=6_usize, step in prop_oneof![-3..=-1_i64, 1..=3_i64], seed: u64) {
        Case::new("Concat", seed)
            .input(&[a, 1, c], floats).input(&[a, b, c], floats).input(&[a, 2, c], floats)
            .with(AttributeProto::int("axis", 1)).check();
        let (start, end) = if step > 0 { (1, c as i64) } else { (-1, i64::MIN) };
        Case::new("Slice", seed)
            .input(&[a, b, c], floats)
            .integers(&[start, 0]).integers(&[end, i64::MAX]).integers(&[-1, 1]).integers(&[step, 1])
            .check();
        Case::new("Split", seed).outputs(2).input(&[a, c], floats)
            .integers(&[1, c as i64 - 1]).with(AttributeProto::int("axis", -1)).check();
        Case::new("Split", seed).outputs(2).input(&[a, 2 * c], floats).with(AttributeProto::int("axis", 1)).check();
        let pads = [1, 0, 0, 2];
        for mode in ["constant", "edge", "reflect"] {
            Case::new("Pad", seed).input(&[c + 1, c + 1], floats).integers(&pads).with(text("mode", mode)).check();
        }
        Case::new("Pad", seed).opset(19).input(&[c, c], floats).integers(&pads).with(text("mode", "wrap")).check();
        Case::new("Pad", seed).input(&[c, c], floats).integers(&[-1, 2, 0, -1]).check();
        Case::new("Pad", seed).opset(18).input(&[a, c], floats).integers(&[1, 2]).constant(&[], &[0.5]).integers(&[1]).check();
        let last = b as i64 - 1;
        for axis in [0, 1] {
            let indices = TensorProto::i64("", &[2, 2], &[0, last.min(c as i64 - 1), -1, 0]);
            Case::new("Gather", seed).input(&[b, c], floats).tensor(indices).with(AttributeProto::int("axis", axis)).check();
        }
        Case::new("Gather", seed).input(&[a, b, c], floats).tensor(TensorProto::i64("", &[], &[last]))
            .with(AttributeProto::int("axis", 1)).check();
    }

    #[test]
    fn resizes(h in 1..=4_usize, w in 1..=4_usize, up in 1..=3_usize, seed: u64) {
        for mode in ["nearest", "linear"] {
            for place in ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"] {
                if place == "half_pixel_symmetric" && mode == "nearest" {
                    continue;
                }
                Case::new("Resize", seed).opset(19).input(&[1, 2, h, w], floats).absent()
                    .single(&[1.0, 1.0, up as f32, 1.5])
                    .with(text("mode", mode)).with(text("coordinate_transformation_mode", place)).check();
                Case::new("Resize", seed).input(&[2, 1, h, w], floats).absent().absent()
                    .integers(&[2, 1, 3, 2])
                    .with(text("mode", mode)).with(text("coordinate_transformation_mode", place)).check();
            }
        }
        for rounding in ["floor", "ceil", "round_prefer_ceil"] {
            Case::new("Resize", seed).input(&[1, 1, h, w], floats).absent()
                .single(&[1.0, 1.0, up as f32, 0.75_f32.max(1.0 / w as f32)])
                .with(text("nearest_mode", rounding)).check();
        }
    }
}
