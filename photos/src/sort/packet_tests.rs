use super::*;

fn cat() -> Vec<KeywordPath> {
    vec![vec!["animal".to_owned(), "cat".to_owned()]]
}

fn added(packet: &str) -> String {
    let new = with_keywords(Some(packet.as_bytes()), &cat()).unwrap();
    String::from_utf8(new.expect("something is added")).unwrap()
}

/// The words of a list, read back by the parser.
fn words(packet: &str, name: &'static str, namespace: &'static str) -> Vec<String> {
    let packet = packet.trim_start_matches(BYTE_ORDER_MARK);
    let document = Document::parse(packet).expect("well-formed XML");
    let rdf = document
        .descendants()
        .find(|node| node.has_tag_name((RDF, "RDF")))
        .unwrap();
    list(rdf, name, namespace).unwrap().words
}

fn all(packet: &str) -> [Vec<String>; 3] {
    [
        words(packet, "dc:subject", DC),
        words(packet, "lr:hierarchicalSubject", LR),
        words(packet, "digiKam:TagsList", DIGIKAM),
    ]
}

/// What is left once everything that was added is taken out again.
fn without(added: &str, packet: &str) -> bool {
    let mut rest = packet.chars().peekable();
    for c in added.chars() {
        rest.next_if_eq(&c);
    }
    rest.peek().is_none()
}

const HEAD: &str = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>";
const TAIL: &str = "</rdf:RDF></x:xmpmeta>";

#[test]
fn a_new_sidecar_holds_the_keywords_in_three_lists() {
    let new = with_keywords(None, &cat()).unwrap().unwrap();
    let text = String::from_utf8(new).unwrap();
    assert_eq!(
        all(&text),
        [
            vec!["animal", "cat"],
            vec!["animal|cat"],
            vec!["animal/cat"]
        ]
    );
    // Once more changes nothing.
    assert_eq!(with_keywords(Some(text.as_bytes()), &cat()), Ok(None));
}

#[test]
fn every_foreign_byte_stays() {
    let packet = format!(
        "{BYTE_ORDER_MARK}<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>\r\n{HEAD}\
         <!-- mine > yours -->\
         <rdf:Description rdf:about='' xmlns:xmp='http://ns.adobe.com/xap/1.0/' xmp:Rating='5' xmp:Label='a &gt; \"b\"'>\
         <dc:subject xmlns:dc='http://purl.org/dc/elements/1.1/'><rdf:Bag>\n  <rdf:li>Grandma &amp; I</rdf:li>\n</rdf:Bag></dc:subject>\
         <odd:thing xmlns:odd='urn:odd' rdf:parseType='Resource'><odd:a>\u{20ac}</odd:a></odd:thing>\
         </rdf:Description>\
         <rdf:Description rdf:about='' xmlns:crs='http://ns.adobe.com/camera-raw-settings/1.0/' crs:Exposure='+0.5'/>\
         {TAIL}<?xpacket end='w'?>"
    );
    let new = added(&packet);
    assert!(without(&new, &packet), "{new}");
    assert_eq!(
        all(&new),
        [
            vec!["Grandma & I", "animal", "cat"],
            // What had no place in a tree is on its own there: who reads the tree sees it all.
            vec!["animal|cat", "Grandma & I"],
            vec!["animal/cat", "Grandma & I"],
        ]
    );
}

#[test]
fn trees_of_other_programs_are_joined() {
    let packet = format!(
        "{HEAD}<rdf:Description rdf:about='' xmlns:digiKam='http://www.digikam.org/ns/1.0/' \
         xmlns:lr='http://ns.adobe.com/lightroom/1.0/'>\
         <digiKam:TagsList><rdf:Seq><rdf:li>People/Ann</rdf:li></rdf:Seq></digiKam:TagsList>\
         <lr:hierarchicalSubject><rdf:Bag><rdf:li>animal|cat</rdf:li></rdf:Bag></lr:hierarchicalSubject>\
         </rdf:Description>{TAIL}"
    );
    let new = added(&packet);
    assert_eq!(
        all(&new),
        [
            vec!["animal", "cat"],
            vec!["animal|cat", "People|Ann"],
            vec!["People/Ann", "animal/cat"],
        ]
    );
}

#[test]
fn every_form_of_an_empty_place_is_filled() {
    for inner in [
        "",
        "<rdf:Description rdf:about=''/>",
        "<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject/></rdf:Description>",
        "<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject></dc:subject></rdf:Description>",
        "<rdf:Description rdf:about='' xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject><rdf:Bag/></dc:subject></rdf:Description>",
        "<rdf:Description rdf:about='' xmlns:d='http://purl.org/dc/elements/1.1/'>\n <d:subject>\n  <rdf:Bag>\n  </rdf:Bag>\n </d:subject>\n</rdf:Description>",
    ] {
        let new = added(&format!("{HEAD}{inner}{TAIL}"));
        let [subject, tree, tags] = all(&new);
        assert_eq!(subject, ["animal", "cat"], "{inner}: {new}");
        assert_eq!((tree.len(), tags.len()), (1, 1), "{inner}: {new}");
    }
    let single = format!(
        "{HEAD}<rdf:Description xmlns:dc='http://purl.org/dc/elements/1.1/'><dc:subject>sun</dc:subject></rdf:Description>{TAIL}"
    );
    assert_eq!(all(&added(&single))[0], ["sun", "animal", "cat"]);
    // Another prefix for RDF itself.
    let other = format!("{HEAD}<rdf:Description/>{TAIL}")
        .replace("rdf:", "r:")
        .replace(":rdf", ":r");
    assert_eq!(all(&added(&other))[1], ["animal|cat"]);
}

#[test]
fn words_are_words_whatever_is_in_them() {
    let odd = vec![vec!["a|b".to_owned(), "c/d & <e>".to_owned()]];
    let new = with_keywords(None, &odd).unwrap().unwrap();
    let [subject, tree, tags] = all(std::str::from_utf8(&new).unwrap());
    assert_eq!(subject, ["a|b", "c/d & <e>"]);
    assert_eq!(tree, ["a_b|c/d & <e>"]);
    assert_eq!(tags, ["a|b/c_d & <e>"]);
}

#[test]
fn what_is_no_sidecar_is_refused() {
    let of = |bytes: &[u8]| with_keywords(Some(bytes), &cat()).unwrap_err();
    assert_eq!(of(b"\xff\xfe<\0"), PacketError::NotUtf8);
    assert_eq!(of(b"<a>\n<b></a>"), PacketError::NotXml(2));
    assert_eq!(of(b"<svg/>"), PacketError::NoRdf);
    let odd = format!(
        "{HEAD}<rdf:Description><dc:subject xmlns:dc='http://purl.org/dc/elements/1.1/'><odd/></dc:subject></rdf:Description>{TAIL}"
    );
    assert_eq!(of(odd.as_bytes()), PacketError::UnknownForm("dc:subject"));
}
