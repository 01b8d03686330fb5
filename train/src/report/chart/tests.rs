//! Tests of [`super`].

use super::*;

#[test]
fn axes_end_on_round_numbers_around_the_data() {
    let axis = Axis::fit([0.37, 6.9].into_iter(), 0.0, 100.0);
    assert_eq!((axis.low, axis.high, axis.step), (0.0, 8.0, 2.0));
    assert_eq!(axis.ticks().count(), 5);
    assert_eq!(label(0.05, 0.01), "0.05");
    assert_eq!(label(30.0, 10.0), "30");
}

#[test]
fn no_data_and_constant_data_still_make_axes() {
    for values in [vec![], vec![3.0], vec![0.0, 0.0]] {
        let axis = Axis::fit(values.into_iter(), 0.0, 100.0);
        assert!(axis.high > axis.low && axis.step > 0.0);
    }
}

#[test]
fn text_is_escaped_and_gaps_are_left_out() {
    let panel = Panel {
        title: "a < b".into(),
        x_label: "x".into(),
        y_label: "y".into(),
        series: vec![Series {
            name: "s".into(),
            points: vec![(1.0, 1.0), (2.0, f64::NAN), (3.0, 2.0)],
            color: 0,
            dashed: false,
        }],
        mark: None,
    };
    let document = svg(&[panel]);
    assert!(document.contains("a &lt; b") && !document.contains("NaN"));
}

#[test]
fn long_names_get_rows_of_their_own_inside_the_picture() {
    let named = |name: &str| Series {
        name: name.into(),
        points: vec![(0.0, 0.0), (1.0, 1.0)],
        color: 0,
        dashed: false,
    };
    let panel = |names: &[&str]| Panel {
        title: "Top-1 accuracy".into(),
        x_label: "x".into(),
        y_label: "y".into(),
        series: names.iter().map(|name| named(name)).collect(),
        mark: None,
    };
    assert_eq!(legend_rows(&panel(&["training", "validation"])).len(), 1);
    let run = "resnet50-imagenet-20261126-075958";
    let seven = panel(&[run; 7]);
    let rows = legend_rows(&seven);
    assert!(
        rows[0].is_empty() && rows.len() > 3,
        "beside the title stands nothing"
    );
    let longest = "x".repeat(200);
    let document = svg(&[panel(&[&longest, run])]);
    for line in document.lines().filter(|line| line.starts_with("<line")) {
        let x = line
            .split("x1=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        assert!(x.parse::<f64>().unwrap() >= 0.0, "{line}");
    }
}

#[test]
fn the_mark_s_text_goes_where_no_curve_runs() {
    // Height of the text under or over the marked point, the other curve lying `offset` percent away.
    let text_y = |offset: f64| -> f64 {
        let series = |color: usize, shift: f64| Series {
            name: "s".into(),
            points: (0..=100).map(|x| (f64::from(x), 50.0 + shift)).collect(),
            color,
            dashed: false,
        };
        let mut whole = series(2, 0.0);
        whole.points = vec![(0.0, 0.0), (0.0, 100.0)];
        let panel = Panel {
            title: "t".into(),
            x_label: "x".into(),
            y_label: "y".into(),
            series: vec![series(0, 0.0), series(1, offset), whole],
            mark: Some(((100.0, 50.0), "best".into())),
        };
        let document = svg(&[panel]);
        let number = |line: &str, name: &str| -> f64 {
            let rest = line.split(&format!(" {name}=\"")).nth(1).unwrap();
            rest.split('"').next().unwrap().parse().unwrap()
        };
        let line = |what: &str| document.lines().find(|l| l.contains(what)).unwrap();
        number(line(">best<"), "y") - number(line("<circle"), "cy")
    };
    assert!(text_y(5.0) > 0.0 && text_y(-5.0) < 0.0);
}
