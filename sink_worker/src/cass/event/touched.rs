//! The cells that an event touched, and which of them it can tell.

use crate::avro::cursor::Cursor;
use crate::avro::read::skip;
use crate::cass::cells::{avro_cell, json_cell, skip_cell, target};
use crate::cass::envelope::{Field, Head as Said, present};
use crate::cass::event::{After, Taker};
use crate::cass::layout::{Layout, OnAmbiguous, Target, no_type};
use crate::fault::{Class, Res, convert, fault};

impl Taker<'_> {
    pub(super) fn read_cells(
        &mut self,
        place: usize,
        layout: &Layout,
        after: After<'_>,
        said: &Said,
        ts: i64,
        names: &mut Vec<String>,
    ) -> Res<()> {
        match after {
            After::Json(mut at) => {
                let mut more = at.open(b'{', b'}')?;
                let mut number = 0;
                while more {
                    let (name, _) = at.raw_string()?;
                    at.expect(b':')?;
                    let target = target(layout, number, name);
                    number += 1;
                    if at.null()? {
                        more = at.more(b'}')?;
                        continue;
                    }
                    match target {
                        Some(Target::Cell(column)) if self.wanted(layout, column, said, names)? => {
                            let arena = &mut self.writes[place].arena;
                            let form = &layout.columns[column].form;
                            let read = json_cell(form, &mut at, self.hint.precise, &mut self.scratch, arena, ts);
                            if let Some(cell) = read.map_err(|why| why.at(&layout.columns[column].name))? {
                                self.cells[column] = cell;
                            }
                        }
                        Some(Target::Unknown) => return Err(no_type(&String::from_utf8_lossy(name))),
                        None => {
                            return Err(fault(Class::UnknownField, "a column is not in the record's own schema"));
                        }
                        _ => drop(at.skip()?),
                    }
                    more = at.more(b'}')?;
                }
            }
            After::Avro(envelope, bytes) => {
                let mut at = Cursor::new(bytes);
                if !envelope.enter(&mut at)? {
                    return Err(fault(Class::MissingAfter, "a change without cells"));
                }
                for (number, field) in envelope.fields.iter().enumerate() {
                    match (layout.targets.get(number), field) {
                        (Some(Target::Cell(column)), Field::Cell(cell)) => {
                            if !present(cell.union, &mut at)? {
                                continue;
                            }
                            let wanted = self.wanted(layout, *column, said, names)?;
                            let arena = &mut self.writes[place].arena;
                            let column_of = &layout.columns[*column];
                            let read = avro_cell(
                                &envelope,
                                cell,
                                &column_of.form,
                                &mut at,
                                (self.hint.precise, ts, wanted),
                                &mut self.scratch,
                                arena,
                            );
                            if let Some(cell) = read.map_err(|why| why.at(&column_of.name))? {
                                self.cells[*column] = cell;
                            }
                        }
                        (_, Field::Cell(cell)) => skip_cell(&envelope, cell, &mut at)?,
                        (_, Field::Rendered(id)) => skip(&envelope.schema, *id, &mut at, 0)?,
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether a touched cell's value can be taken. What an INSERT brings replaces a collection, an UPDATE may only touch it.
    fn wanted(&self, layout: &Layout, column: usize, said: &Said, names: &mut Vec<String>) -> Res<bool> {
        let column = &layout.columns[column];
        if !column.ambiguous || said.snapshot {
            return Ok(true);
        }
        if self.hint.on_ambiguous == OnAmbiguous::Refuse {
            let why = "an event cannot tell this column's value: declare it frozen where it is, or set cassandra.on_ambiguous";
            return Err(convert(Class::AmbiguousColumn, why).at(&column.name));
        }
        names.push(column.name.clone());
        Ok(said.op == b'i')
    }
}
