//! Which files a query need not read, from what their names say.

use arrow::array::{Array, AsArray, RecordBatch};
use datafusion::catalog::Session;
use datafusion::common::{DFSchema, Result as EngineResult};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};

/// Whether a filter is about the columns `named` in file names, and nothing else.
fn is_about_names(filter: &Expr, named: &[&str]) -> bool {
    let columns = filter.column_refs();
    !columns.is_empty() && !filter.is_volatile() && columns.iter().all(|column| named.contains(&column.name.as_str()))
}

/// The filters that a table wants to see in its scan: those about the columns `named` in file names. The engine
/// evaluates them again on the rows.
pub(super) fn pushdown(filters: &[&Expr], named: &[&str]) -> Vec<TableProviderFilterPushDown> {
    filters
        .iter()
        .map(|filter| {
            if is_about_names(filter, named) {
                TableProviderFilterPushDown::Inexact
            } else {
                TableProviderFilterPushDown::Unsupported
            }
        })
        .collect()
}

/// For each row of `names` (one per file, with the columns that its name holds) whether the file may hold rows for
/// which all `filters` are true.
pub(super) fn may_match(state: &dyn Session, filters: &[Expr], names: &RecordBatch) -> EngineResult<Vec<bool>> {
    let mut keep = vec![true; names.num_rows()];
    let schema = DFSchema::try_from(names.schema())?;
    let columns: Vec<&str> = names.schema_ref().fields().iter().map(|field| field.name().as_str()).collect();
    for filter in filters.iter().filter(|filter| is_about_names(filter, &columns)) {
        // What cannot be evaluated here prunes nothing; if it is wrong, the filter over the rows says so.
        let Ok(expression) = state.create_physical_expr(filter.clone(), &schema) else { continue };
        let Ok(values) = expression.evaluate(names).and_then(|values| values.into_array(names.num_rows())) else {
            continue;
        };
        let Some(values) = values.as_boolean_opt() else { continue };
        for (row, keep) in keep.iter_mut().enumerate() {
            *keep &= !values.is_null(row) && values.value(row);
        }
    }
    Ok(keep)
}
