//! The page that results are filled into, by minijinja.

use minijinja::value::Serde;
use minijinja::{Environment, context};
use serde::Serialize;

/// The page around styles, scripts and data. As it is called `.html`, what is put in is escaped unless it says otherwise.
const PAGE: (&str, &str) = ("page.html", include_str!("page/page.html"));
const STYLE: &str = include_str!("page/page.css");
/// In the order in which they are run.
const SCRIPTS: [&str; 6] = [
    include_str!("page/base.js"),
    include_str!("page/runs.js"),
    include_str!("page/figures.js"),
    include_str!("page/relevance.js"),
    include_str!("page/gallery.js"),
    include_str!("page/page.js"),
];

/// The page of this title and data. Whatever they say is data to it, never markup or script.
pub fn fill(title: &str, data: &impl Serialize) -> String {
    fill_into(PAGE, title, data)
}

fn fill_into((name, page): (&str, &str), title: &str, data: &impl Serialize) -> String {
    let mut environment = Environment::new();
    environment.add_template(name, page).expect("the page is a template");
    let page = environment.get_template(name).expect("the page was added");
    let filled = page.render(context! { title, data => Serde(data), style => STYLE, script => SCRIPTS.concat() });
    filled.expect("the page asks for nothing else")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HOSTILE: &str = "</script><script>alert(1)</script> & \"'{{ data }} {% raw %} \u{2028} <!--";

    #[test]
    fn data_cannot_leave_its_element_and_comes_back_whole() {
        let large = (1_u64 << 53) - 1;
        let data = json!({ HOSTILE: [HOSTILE, 1.5, -0.0, 1e300, large, -7, null, true], "b": {}, "a": [] });
        let filled = fill_into(("test.html", "{{ data | tojson }}"), "", &data);
        assert!(!filled.contains(['<', '>', '&']), "{filled}");
        assert_eq!(serde_json::from_str::<Value>(&filled).unwrap(), data);
    }

    #[test]
    fn numbers_are_written_as_serde_json_writes_them() {
        let scaled = |k: i32| (f64::from(k) * 0.737).sin() * 10_f64.powi(k % 30 - 15);
        let numbers: Vec<f64> = (0..5000).map(scaled).chain([0.0, 0.1, 1.0, 1e21, 5e-324, f64::MAX]).collect();
        let filled = fill_into(("test.html", "{{ data | tojson }}"), "", &numbers);
        assert_eq!(filled.replace(", ", ","), serde_json::to_string(&numbers).unwrap());
    }

    #[test]
    fn a_title_is_text_and_is_not_looked_at_again() {
        let filled = fill_into(("test.html", "<t>{{ title }}</t>"), HOSTILE, &());
        let inside = filled.strip_prefix("<t>").and_then(|text| text.strip_suffix("</t>")).unwrap();
        assert!(!inside.contains(['<', '>', '"', '\'']) && inside.contains("{{ data }} {% raw %}"), "{inside}");
        assert_eq!(inside.matches('&').count(), inside.matches(';').count(), "{inside}");
    }

    #[test]
    fn the_page_takes_styles_and_scripts_as_they_are() {
        let filled = fill("A < B", &json!({ "name": "x" }));
        for part in [STYLE].iter().chain(&SCRIPTS) {
            assert!(filled.contains(part));
        }
        assert!(filled.contains("<title>A &lt; B</title>") && filled.ends_with("</html>"));
        assert!(filled.contains(r#"<script type="application/json" id="data">{"name": "x"}</script>"#));
    }

    #[test]
    fn the_page_asks_for_nothing_from_outside() {
        let page = [PAGE.1, STYLE, &SCRIPTS.concat()].concat();
        for outside in ["http:", "https:", "//cdn", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval("] {
            assert!(!page.contains(outside), "{outside}");
        }
    }
}
