//! Which plan a record's key and value have.

use std::sync::Arc;

use crate::event::{Part, Work};
use crate::fault::{Fault, Res};
use crate::json::record::{Members, Shape};
use crate::plan::{Plan, Ref};

impl Work<'_> {
    pub(super) fn key_ref(&mut self, key: &Part<'_>) -> Res<(Ref, Option<Arc<Shape>>)> {
        Ok(match key {
            Part::Nothing => (Ref::None, None),
            Part::Avro(id, _) => (Ref::Avro(*id), None),
            Part::Json { shape: Some(shape), .. } => (Ref::Json(shape.id, false), Some(Arc::clone(shape))),
            Part::Json { shape: None, payload } => {
                let shape = self.shapes.of_names(&mut payload.clone()).map_err(Fault::in_key)?;
                (Ref::Json(shape.id, false), Some(shape))
            }
        })
    }

    pub(super) fn value_ref(
        &mut self,
        value: &Part<'_>,
        members: Option<&Members<'_>>,
    ) -> Res<(Ref, Option<Arc<Shape>>)> {
        Ok(match (value, members) {
            (Part::Avro(id, _), _) => (Ref::Avro(*id), None),
            (Part::Json { shape: Some(shape), .. }, _) => (Ref::Json(shape.id, false), Some(Arc::clone(shape))),
            (Part::Json { shape: None, payload }, Some(members)) => {
                let envelope = members.is_envelope();
                if !envelope && members.bookkeeping {
                    return Ok((Ref::Bookkeeping, None));
                }
                let row =
                    if envelope { members.after.clone().or(members.before.clone()) } else { Some(payload.clone()) };
                match row {
                    Some(mut row) => {
                        let shape = self.shapes.of_names(&mut row)?;
                        (Ref::Json(shape.id, envelope), Some(shape))
                    }
                    None => (Ref::None, None),
                }
            }
            _ => (Ref::None, None),
        })
    }

    pub(super) fn plan(
        &mut self,
        key: Ref,
        value: Ref,
        key_shape: Option<Arc<Shape>>,
        value_shape: Option<Arc<Shape>>,
    ) -> Arc<Plan> {
        if let Some((last_key, last_value, plan)) = &self.last
            && (*last_key, *last_value) == (key, value)
        {
            return Arc::clone(plan);
        }
        let plan = match self.plans.get(key, value) {
            Some(plan) => plan,
            None => {
                let plan = Plan::compile((key, key_shape), (value, value_shape), self.avro, self.hint, self.options);
                self.plans.put(key, value, plan)
            }
        };
        self.last = Some((key, value, Arc::clone(&plan)));
        plan
    }
}
