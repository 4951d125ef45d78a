//! Functions whose results can be far larger than what they are given: refused for a row before they allocate.
//!
//! A failed allocation ends the process and cannot be caught, so the engine's own functions are not called with arguments
//! for which their result is beyond the bound. `growth.rs` says how large it will be, for each of them.

use super::growth::{Growth, without_strange_lengths};
use super::sizes::{bytes_of_constant, fixed_size};
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DataFusionError, Result, ScalarValue, plan_err};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, LogicalPlan, Operator, ReturnFieldArgs, ScalarFunctionArgs,
    ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{self, Column};
use etl_sdk::{Error, ErrorKind};
use std::sync::Arc;

/// The widest fixed size that a type may have: of a list in values, of a text in bytes. Each row of it takes as much.
const WIDEST: u64 = 1 << 16;

/// Functions that become casts.
const CASTS: [&str; 4] = ["arrow_cast", "arrow_try_cast", "cast_to_type", "try_cast_to_type"];

/// How much a function may make of the rows it is called with, and the setting that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bound {
    /// In bytes.
    pub(crate) bytes: u64,
    /// The setting's name.
    pub(crate) setting: &'static str,
}

impl Bound {
    /// The failure of a row, or of a question: something would make more of it than it may.
    pub(super) fn exceeded(self, maker: &str, bytes: u64) -> DataFusionError {
        let error = Error::new(ErrorKind::Limit, "the result would be too large")
            .with("of", maker)
            .with("bytes", bytes)
            .with("most", self.bytes)
            .with("setting", self.setting)
            .hint("ask for less at once, or raise it");
        DataFusionError::External(Box::new(error))
    }
}

/// Puts guarded functions in the place of the engine's own wherever a statement calls one, by name or by an operator.
pub(crate) fn guard(functions: &mut dyn FunctionRegistry, bound: Bound) -> Result<()> {
    functions.register_function_rewrite(Arc::new(Guarding(bound)))
}

#[derive(Debug)]
struct Guarding(Bound);

impl FunctionRewrite for Guarding {
    fn name(&self) -> &'static str {
        "guard"
    }

    fn rewrite(&self, part: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        match part {
            Expr::ScalarFunction(call) if CASTS.contains(&call.func.name()) => {
                let cast = Expr::ScalarFunction(call);
                let data_type = cast.get_type(schema)?;
                if fixed_size(&data_type) > WIDEST { too_wide(&data_type) } else { Ok(Transformed::no(cast)) }
            }
            Expr::ScalarFunction(call) => match Growth::of(call.func.name()) {
                Some(growth) if !call.func.inner().is::<Guarded>() => {
                    let guarded = Guarded { inner: Arc::clone(&call.func), growth, bound: self.0 };
                    let func = Arc::new(ScalarUDF::new_from_impl(guarded));
                    Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args: call.args })))
                }
                _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
            },
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::StringConcat, right }) => {
                let types = [left.get_type(schema)?, right.get_type(schema)?];
                let func = Arc::new(ScalarUDF::new_from_impl(Concatenation::new(self.0)));
                // Operands that only the engine can bring together are left to it.
                if func.coerce_types(&types).is_err() {
                    let operation = BinaryExpr { left, op: Operator::StringConcat, right };
                    return Ok(Transformed::no(Expr::BinaryExpr(operation)));
                }
                Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction { func, args: vec![*left, *right] })))
            }
            Expr::Cast(cast) if fixed_size(cast.field.data_type()) > WIDEST => too_wide(cast.field.data_type()),
            Expr::TryCast(cast) if fixed_size(cast.field.data_type()) > WIDEST => too_wide(cast.field.data_type()),
            part => Ok(Transformed::no(part)),
        }
    }
}

fn too_wide<T>(data_type: &DataType) -> Result<T> {
    plan_err!("every row of the type {data_type} takes its full size; at most {WIDEST} values or bytes")
}

/// A function of the engine that is not called for more than its bound.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Guarded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    bound: Bound,
}

impl ScalarUDFImpl for Guarded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn is_strict(&self) -> bool {
        self.inner.is_strict()
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.coerce_types(arg_types)
    }

    fn invoke_with_args(&self, mut args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if self.growth == Growth::Padded {
            without_strange_lengths(&mut args.args, args.number_rows)?;
        }
        let bytes = self.growth.bytes(&args.args, args.number_rows)?;
        if bytes > self.bound.bytes {
            return too_large(self.name(), bytes, self.bound);
        }
        self.inner.invoke_with_args(args)
    }
}

fn too_large<T>(name: &str, bytes: u64, bound: Bound) -> Result<T> {
    Err(bound.exceeded(name, bytes))
}

/// The operator `||` of two texts.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concatenation {
    signature: Signature,
    bound: Bound,
}

impl Concatenation {
    fn new(bound: Bound) -> Self {
        Self { signature: Signature::user_defined(Volatility::Immutable), bound }
    }
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &'static str {
        "||"
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let names: Result<Vec<String>> = args.iter().map(|arg| Ok(arg.schema_name().to_string())).collect();
        Ok(names?.join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = arg_types else { return plan_err!("|| takes two values") };
        let (left, right) = BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_input_types()?;
        Ok(vec![left, right])
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let [left, right] = arg_types else { return plan_err!("|| takes two values") };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let bytes = Growth::Sum.bytes(&args.args, args.number_rows)?;
        if bytes > self.bound.bytes {
            return too_large(self.name(), bytes, self.bound);
        }
        let all_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if all_constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let names = ["left", "right"].iter().zip(&arrays);
        let fields: Vec<Field> =
            names.map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        let side = |name, index| Arc::new(Column::new(name, index)) as Arc<dyn PhysicalExpr>;
        let operation = expressions::BinaryExpr::new(side("left", 0), Operator::StringConcat, side("right", 1));
        let made = operation.evaluate(&batch)?;
        match made {
            ColumnarValue::Array(array) if all_constant => {
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
            made => Ok(made),
        }
    }
}

/// Bytes of the constants of a plan, each of which may be copied for every row of a batch.
pub(crate) fn constants_of(plan: &LogicalPlan) -> Result<u64, DataFusionError> {
    let mut bytes = 0_u64;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            bytes = bytes.saturating_add(constants_in(expression)?);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(bytes)
}

/// Bytes of the constants of an expression.
pub(super) fn constants_in(expression: &Expr) -> Result<u64, DataFusionError> {
    let mut bytes = 0_u64;
    expression.apply(|part| {
        if let Expr::Literal(value, _) = part {
            bytes = bytes.saturating_add(bytes_of_constant(value));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(bytes)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
