//! Texts and bytes: marked renders Markdown, fflate packs and unpacks.

use std::{fs, path::Path};

use serde_json::json;

use super::{ask::Ask, worker::Worker};

/// Samples of the CommonMark specification, and what they are there.
const SAMPLES: [(&str, &str); 14] = [
    ("# foo\n## bar\n", "<h1>foo</h1>\n<h2>bar</h2>\n"),
    ("Foo *bar*\n=========\n", "<h1>Foo <em>bar</em></h1>\n"),
    (
        "*foo bar* **foo**bar ***both***\n",
        "<p><em>foo bar</em> <strong>foo</strong>bar <em><strong>both</strong></em></p>\n",
    ),
    ("a * foo bar*\n", "<p>a * foo bar*</p>\n"),
    ("`` foo ` bar ``\n", "<p><code>foo ` bar</code></p>\n"),
    ("```\n<\n >\n```\n", "<pre><code>&lt;\n &gt;\n</code></pre>\n"),
    ("    a simple\n      indented code block\n", "<pre><code>a simple\n  indented code block\n</code></pre>\n"),
    ("> # Foo\n> bar\n> baz\n", "<blockquote>\n<h1>Foo</h1>\n<p>bar\nbaz</p>\n</blockquote>\n"),
    ("- foo\n- bar\n+ baz\n", "<ul>\n<li>foo</li>\n<li>bar</li>\n</ul>\n<ul>\n<li>baz</li>\n</ul>\n"),
    ("3. three\n4. four\n", "<ol start=\"3\">\n<li>three</li>\n<li>four</li>\n</ol>\n"),
    ("[link](/uri \"title\")\n", "<p><a href=\"/uri\" title=\"title\">link</a></p>\n"),
    ("[foo]: /url \"title\"\n\n[foo]\n", "<p><a href=\"/url\" title=\"title\">foo</a></p>\n"),
    ("<http://foo.bar.baz>\n", "<p><a href=\"http://foo.bar.baz\">http://foo.bar.baz</a></p>\n"),
    ("foo  \nbaz\n\n***\n", "<p>foo<br>baz</p>\n<hr>\n"),
];

#[tokio::test]
async fn marked_renders_commonmark() {
    let Some(marked) = Worker::deployed("marked_renders_commonmark", "marked").await else { return };
    let asks: Vec<_> = SAMPLES.iter().map(|(text, _)| Ask::post("/", *text)).collect();
    for ((text, html), answer) in SAMPLES.iter().zip(marked.alike(&asks).await) {
        assert_eq!(answer.text, *html, "{text:?}");
    }
    let own =
        marked.alike(&[Ask::post("/own", "## By @ada\n\n- [ ] ~~later~~\n"), Ask::post("/inline", "*a* `b`")]).await;
    assert!(own[0].text.starts_with("<h2 id=\"x\">By <a href=\"/ada\">@ada</a></h2>"), "{}", own[0].text);
    assert!(own[0].text.contains("<del>later</del>"), "{}", own[0].text);
    assert_eq!(own[1].text, "<em>a</em> <code>b</code>");
}

#[tokio::test]
async fn marked_renders_whole_documents_alike() {
    let Some(marked) = Worker::deployed("marked_renders_whole_documents_alike", "marked").await else { return };
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let mut asks = Vec::new();
    for entry in fs::read_dir(documents).unwrap().map(Result::unwrap) {
        let text = fs::read_to_string(entry.path()).unwrap();
        asks.extend(["/", "/plain", "/tokens"].map(|path| Ask::post(path, text.clone())));
    }
    let answers = marked.alike(&asks).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().any(|answer| answer.text.contains("<table>")), "there are tables in them");
}

#[tokio::test]
async fn fflate_packs_what_others_unpack() {
    let Some(fflate) = Worker::deployed("fflate_packs_what_others_unpack", "fflate").await else { return };
    let answer = fflate.alike_get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let said = &answer.json;
    for format in ["gzip", "deflate", "deflate-raw"] {
        let both = &said["both"][format];
        assert_eq!(
            (&both["round"], &both["read"], &both["written"]),
            (&json!(true), &json!(true), &json!(true)),
            "{both}"
        );
        assert!(both["size"].as_u64().unwrap() < 1000, "{both}");
    }
    assert_eq!(said["zipped"]["names"], json!(["a.txt", "dir/", "dir/b.bin", "dir/ünï.txt"]));
    assert_eq!(
        (&said["zipped"]["filtered"], &said["zipped"]["same"]),
        (&json!(["a.txt", "dir/", "dir/ünï.txt"]), &json!(true))
    );
    assert!(said["zipped"]["hex"].as_str().unwrap().starts_with("504b0304"), "{said}");
    assert_eq!(said["streamed"], json!({"names": ["streamed.txt"], "same": true}));
    assert_eq!(said["broken"], json!([6, "invalid gzip data"]));
    assert_eq!(said["roundabout"], true);
}
