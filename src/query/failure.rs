//! What failures of the engine mean to the one who asked.

use super::output::SINK_STORE;
use crate::rows::sort::engine_error;
use crate::storage::store_error;
use crate::text::suggest::unknown;
use arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use etl_sdk::{Error, ErrorKind};

/// A failure of the engine as the one who asked sees it: what is wrong with the question is `Usage`, memory, disk and
/// stores say so, and the rest is a defect.
pub(super) fn explained(operation: &'static str, error: DataFusionError) -> Error {
    match unwrapped(error) {
        Origin::Ours(error) => error,
        Origin::Store(error) => {
            let gone = matches!(error, object_store::Error::NotFound { .. });
            let error = store_error("read the table", SINK_STORE, error);
            if gone { error.hint("a run replaced the file meanwhile: ask again") } else { error }
        }
        Origin::Engine(error) => of_the_question(operation, error),
    }
}

fn of_the_question(operation: &'static str, error: DataFusionError) -> Error {
    use DataFusionError as E;
    let usage = || Error::new(ErrorKind::Usage, operation);
    match error.find_root() {
        E::SchemaError(schema, _) => {
            let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else {
                return usage().source(plain(&error));
            };
            // The engine's own text lists all columns, and these may be a hundred.
            let known: Vec<&str> = valid_fields.iter().map(Column::name).collect();
            let nearest = unknown("column", &field.name, &known);
            usage().with("unknown column", &field.name).hint(nearest.hint_text().unwrap_or_default())
        }
        E::ArrowError(arrow, _)
            if !matches!(arrow.as_ref(), ArrowError::IoError(_, _) | ArrowError::MemoryError(_)) =>
        {
            usage().source(plain(&error))
        }
        E::SQL(_, _) | E::Plan(_) | E::Execution(_) | E::NotImplemented(_) | E::Configuration(_) => {
            usage().source(plain(&error))
        }
        E::ResourcesExhausted(_) => Error::new(ErrorKind::Limit, operation)
            .with("setting", "limits.memory")
            .hint("ask for less at once, or raise it for this question")
            .source(plain(&error)),
        _ => engine_error(operation, error),
    }
}

/// The engine's text without its backtrace.
fn plain(error: &DataFusionError) -> String {
    error.strip_backtrace()
}

/// Where a failure comes from.
enum Origin {
    Ours(Error),
    Store(object_store::Error),
    Engine(DataFusionError),
}

/// Takes off what the engine wraps around errors on their way through streams.
fn unwrapped(error: DataFusionError) -> Origin {
    use DataFusionError as E;
    match error {
        E::Context(_, inner) => match unwrapped(*inner) {
            Origin::Engine(inner) => Origin::Engine(inner),
            other => other,
        },
        E::ObjectStore(error) => Origin::Store(*error),
        E::ArrowError(arrow, backtrace) => match *arrow {
            ArrowError::ExternalError(inner) => boxed(inner),
            arrow => Origin::Engine(E::ArrowError(Box::new(arrow), backtrace)),
        },
        E::External(inner) => boxed(inner),
        error => Origin::Engine(error),
    }
}

fn boxed(error: Box<dyn std::error::Error + Send + Sync>) -> Origin {
    let error = match error.downcast::<Error>() {
        Ok(ours) => return Origin::Ours(*ours),
        Err(error) => error,
    };
    let error = match error.downcast::<DataFusionError>() {
        Ok(engine) => return unwrapped(*engine),
        Err(error) => error,
    };
    match error.downcast::<object_store::Error>() {
        Ok(store) => Origin::Store(*store),
        Err(error) => Origin::Engine(DataFusionError::External(error)),
    }
}
