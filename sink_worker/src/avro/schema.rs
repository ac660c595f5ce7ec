//! Writer schemas: JSON text to nodes that refer to one another by number, so a recursive one is no special case.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value};

/// Guards the parser's and the reader's stack.
pub const MAX_DEPTH: u32 = 64;

pub type Id = usize;

#[derive(Debug)]
pub enum Kind {
    Null,
    Bool,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    Array(Id),
    Map(Id),
    Union(Vec<Id>),
    Record(Vec<(String, Id)>),
}

/// What Connect and Avro say of a type beside its kind.
#[derive(Debug, Default)]
pub struct Meta {
    /// connect.name, else the logical type, else a named type's full name.
    pub name: Option<String>,
    pub connect_type: Option<String>,
    pub parameters: HashMap<String, String>,
}

#[derive(Debug)]
pub struct Node {
    pub kind: Kind,
    pub meta: Arc<Meta>,
}

#[derive(Debug)]
pub struct AvroSchema {
    pub nodes: Vec<Node>,
    pub root: Id,
}

impl AvroSchema {
    pub fn parse(text: &str) -> Result<AvroSchema, String> {
        let json: Value = match text.trim_start().chars().next() {
            Some('{' | '[' | '"') => serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?,
            // Registries also hand out primitive schemas as a bare name.
            _ => Value::String(text.trim().to_owned()),
        };
        let mut parser = Parser::default();
        let root = parser.node(&json, &Rc::from(""), 0)?;
        Ok(AvroSchema { nodes: parser.nodes, root })
    }

    pub fn kind(&self, id: Id) -> &Kind {
        &self.nodes[id].kind
    }

    pub fn meta(&self, id: Id) -> &Meta {
        &self.nodes[id].meta
    }

    /// The one branch beside null: (null's branch if any, its branch, its node), also for what is no union.
    pub fn optional(&self, id: Id) -> Option<Optional> {
        let Kind::Union(branches) = self.kind(id) else {
            return Some(Optional { union: None, node: id });
        };
        let null = branches.iter().position(|branch| matches!(self.kind(*branch), Kind::Null));
        let mut others = branches.iter().enumerate().filter(|(index, _)| Some(*index) != null);
        let (value, node) = others.next().map(|(index, node)| (index, *node))?;
        if others.next().is_some() {
            return None;
        }
        Some(Optional { union: Some(Union { null, value, count: branches.len() }), node })
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Union {
    pub null: Option<usize>,
    pub value: usize,
    pub count: usize,
}

#[derive(Clone, Copy, Debug)]
pub struct Optional {
    pub union: Option<Union>,
    pub node: Id,
}

impl Optional {
    pub fn nullable(&self) -> bool {
        self.union.is_some_and(|union| union.null.is_some())
    }
}

#[derive(Default)]
struct Parser {
    nodes: Vec<Node>,
    named: HashMap<String, Id>,
}

fn primitive(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Bool,
        "int" => Kind::Int,
        "long" => Kind::Long,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "bytes" => Kind::Bytes,
        "string" => Kind::Text,
        _ => return None,
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn meta(object: &Map<String, Value>, full_name: Option<&str>) -> Meta {
    let text = |key: &str| object.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut parameters = HashMap::new();
    let connect_name = text("connect.name");
    // Connect writes precision 64 where it knows none; its own parameter is the true one.
    let own: &[(&str, &str)] = if connect_name.is_some() {
        &[("scale", "scale")]
    } else {
        &[("scale", "scale"), ("precision", "connect.decimal.precision")]
    };
    for (key, parameter) in own {
        if let Some(value) = object.get(*key).and_then(scalar) {
            parameters.insert((*parameter).to_owned(), value);
        }
    }
    if let Some(Value::Object(more)) = object.get("connect.parameters") {
        parameters.extend(more.iter().filter_map(|(key, value)| Some((key.clone(), scalar(value)?))));
    }
    let name = connect_name.or_else(|| text("logicalType")).or_else(|| full_name.map(str::to_owned));
    Meta { name, connect_type: text("connect.type"), parameters }
}

impl Parser {
    fn push(&mut self, kind: Kind, meta: Meta) -> Id {
        self.nodes.push(Node { kind, meta: Arc::new(meta) });
        self.nodes.len() - 1
    }

    fn node(&mut self, json: &Value, space: &Rc<str>, depth: u32) -> Result<Id, String> {
        if depth > MAX_DEPTH {
            return Err(format!("nested more than {MAX_DEPTH} levels"));
        }
        match json {
            Value::String(name) => self.reference(name, space),
            Value::Array(branches) => {
                let branches: Result<Vec<Id>, String> =
                    branches.iter().map(|branch| self.node(branch, space, depth + 1)).collect();
                let branches = branches?;
                if branches.is_empty() {
                    return Err("a union has no branch".to_owned());
                }
                Ok(self.push(Kind::Union(branches), Meta::default()))
            }
            Value::Object(object) => self.object(object, space, depth),
            _ => Err("a type is neither a name, an object nor a list".to_owned()),
        }
    }

    fn reference(&mut self, name: &str, space: &Rc<str>) -> Result<Id, String> {
        if let Some(kind) = primitive(name) {
            return Ok(self.push(kind, Meta::default()));
        }
        let qualified =
            if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") };
        let found = self.named.get(&qualified).or_else(|| self.named.get(name));
        found.copied().ok_or_else(|| format!("type {qualified} is not defined"))
    }

    fn object(&mut self, object: &Map<String, Value>, space: &Rc<str>, depth: u32) -> Result<Id, String> {
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(inner @ (Value::Object(_) | Value::Array(_))) => return self.node(inner, space, depth + 1),
            _ => return Err("a type object has no type".to_owned()),
        };
        match kind {
            "array" | "map" => {
                let inner = object.get(if kind == "array" { "items" } else { "values" });
                let inner =
                    self.node(inner.ok_or_else(|| format!("a type {kind} has no item type"))?, space, depth + 1)?;
                let kind = if kind == "array" { Kind::Array(inner) } else { Kind::Map(inner) };
                Ok(self.push(kind, meta(object, None)))
            }
            "record" | "error" | "enum" | "fixed" => self.named(kind, object, space, depth),
            _ => match primitive(kind) {
                Some(kind) => Ok(self.push(kind, meta(object, None))),
                None => self.reference(kind, space),
            },
        }
    }

    fn named(&mut self, kind: &str, object: &Map<String, Value>, space: &Rc<str>, depth: u32) -> Result<Id, String> {
        let name = object.get("name").and_then(Value::as_str).ok_or_else(|| format!("a type {kind} has no name"))?;
        let (space, full): (Rc<str>, String) = match (name.rsplit_once('.'), object.get("namespace")) {
            (Some((own, _)), _) => (Rc::from(own), name.to_owned()),
            (None, Some(Value::String(own))) if !own.is_empty() => (Rc::from(own.as_str()), format!("{own}.{name}")),
            (None, Some(_)) => (Rc::from(""), name.to_owned()),
            (None, None) if space.is_empty() => (Rc::clone(space), name.to_owned()),
            (None, None) => (Rc::clone(space), format!("{space}.{name}")),
        };
        let id = self.push(Kind::Null, meta(object, Some(&full)));
        if self.named.insert(full.clone(), id).is_some() {
            return Err(format!("type {full} is defined twice"));
        }
        self.nodes[id].kind = match kind {
            "enum" => Kind::Enum(symbols(object)?),
            "fixed" => {
                let size = object.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
                Kind::Fixed(size.ok_or("a fixed has no size")?)
            }
            _ => self.fields(object, &space, depth)?,
        };
        Ok(id)
    }

    fn fields(&mut self, object: &Map<String, Value>, space: &Rc<str>, depth: u32) -> Result<Kind, String> {
        let fields = object.get("fields").and_then(Value::as_array).ok_or("a record has no fields")?;
        let mut read = Vec::with_capacity(fields.len());
        for field in fields {
            let name = field.get("name").and_then(Value::as_str).ok_or("a field has no name")?;
            let kind = field.get("type").ok_or_else(|| format!("field {name} has no type"))?;
            read.push((
                name.to_owned(),
                self.node(kind, space, depth + 1).map_err(|why| format!("field {name}: {why}"))?,
            ));
        }
        Ok(Kind::Record(read))
    }
}

fn symbols(object: &Map<String, Value>) -> Result<Vec<String>, String> {
    let symbols = object.get("symbols").and_then(Value::as_array).ok_or("an enum has no symbols")?;
    symbols
        .iter()
        .map(|symbol| symbol.as_str().map(str::to_owned).ok_or("an enum's symbol is no text".to_owned()))
        .collect()
}
