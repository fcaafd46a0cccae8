//! Stand-ins for what `manifest` does not offer yet. To be deleted.
#![allow(dead_code, missing_docs, clippy::needless_pass_by_value)]

use nightlatch_manifest::{Corpus, Document, Node, Object, Source, SourceId, Span};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DocumentKind {
    DockerDaemon,
}
pub fn kind_of(_: &Document) -> Option<DocumentKind> {
    None
}
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ComponentKind(&'static str);
impl ComponentKind {
    pub fn as_str(self) -> &'static str {
        self.0
    }
}
#[derive(Clone, Debug)]
pub struct Flag<'a> {
    pub value: Option<String>,
    pub node: Node<'a>,
}
#[derive(Clone, Debug)]
pub struct Component<'a> {
    pub kind: ComponentKind,
    pub object: Option<Object<'a>>,
    pub at: Node<'a>,
    pub arguments: Option<Node<'a>>,
}
impl<'a> Component<'a> {
    pub fn flag(&self, _: &str) -> Option<Flag<'a>> {
        None
    }
}
pub fn components<'a>(_: &'a Corpus, _: &[Object<'a>]) -> Vec<Component<'a>> {
    Vec::new()
}
#[derive(Clone, Debug)]
pub struct ComposeService<'a> {
    pub node: Node<'a>,
    pub name: &'a str,
}
#[derive(Clone, Debug)]
pub struct ComposeProject<'a> {
    pub services: Vec<ComposeService<'a>>,
}
pub fn compose_projects(_: &Corpus) -> Vec<ComposeProject<'_>> {
    Vec::new()
}
pub struct TextEdit {
    pub source: SourceId,
    pub span: Span,
    pub replacement: String,
}
pub fn set(_: Node<'_>, _: &str) -> Option<Vec<TextEdit>> {
    None
}
pub fn remove(_: Node<'_>) -> Option<Vec<TextEdit>> {
    None
}
pub fn append(_: Node<'_>, _: &str) -> Option<Vec<TextEdit>> {
    None
}
pub fn insert(_: Node<'_>, _: &str, _: &str) -> Option<Vec<TextEdit>> {
    None
}
pub fn comment_lines(source: &Source, mark: &str) -> Vec<u32> {
    (1..=source.line_starts().len() as u32).filter(|&line| source.line(line).contains(mark)).collect()
}
