//! How deep a statement may be: the engine walks plans and expressions by recursion, and takes time with the square of
//! their depth.
//!
//! The parser bounds parentheses and prefixes itself. What it reads in a loop, such as `a + b + c`, becomes as deep as it is
//! long, so it is counted here, on the tokens, before anything is built.

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use etl_sdk::Error;

/// Operators that may be chained or nested in one expression.
const MOST_OPERATORS: usize = 1_000;

/// SELECTs and joined tables of a statement, each of which may lie below the one before.
const MOST_TABLES: usize = 500;

/// What of a statement is too deep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooDeep {
    found: usize,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Operators,
    Tables,
}

impl TooDeep {
    /// Adds to the refusal of a statement what is too deep, how deep it may be, and what to write instead.
    pub(crate) fn explain(self, refusal: Error) -> Error {
        match self.part {
            Part::Operators => refusal
                .with("operators in one expression", self.found)
                .with("most", MOST_OPERATORS)
                .hint("write `IN (…)` for many ORs, or parts of the expression as columns of a subquery"),
            Part::Tables => refusal
                .with("SELECTs and joined tables", self.found)
                .with("most", MOST_TABLES)
                .hint("write VALUES for many rows, or ask in several statements"),
        }
    }
}

/// What of a statement is too deep, if anything is. A text that is no SQL is for the parser to refuse.
pub(crate) fn too_deep(sql: &str) -> Option<TooDeep> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().ok()?;
    let mut depth = Depth::default();
    for token in &tokens {
        depth.take(token);
    }
    let operators = TooDeep { found: depth.deepest, part: Part::Operators };
    let tables = TooDeep { found: depth.tables, part: Part::Tables };
    let too_deep = |depth: &TooDeep, most| depth.found > most;
    Some(operators)
        .filter(|depth| too_deep(depth, MOST_OPERATORS))
        .or(Some(tables).filter(|depth| too_deep(depth, MOST_TABLES)))
}

/// What stands between one pair of brackets.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// Operators since the last comma or clause.
    chain: usize,
    /// Whether commas separate tables.
    in_from: bool,
}

#[derive(Debug, Default)]
struct Depth {
    outer: Vec<Level>,
    here: Level,
    /// Operators of the levels around.
    around: usize,
    deepest: usize,
    tables: usize,
}

impl Depth {
    fn take(&mut self, token: &Token) {
        match token {
            Token::LParen | Token::LBracket | Token::LBrace => {
                // `a[1][2]` is a chain as well.
                self.operator();
                self.around += self.here.chain;
                self.outer.push(std::mem::take(&mut self.here));
            }
            Token::RParen | Token::RBracket | Token::RBrace => {
                self.here = self.outer.pop().unwrap_or_default();
                self.around = self.around.saturating_sub(self.here.chain);
            }
            Token::Comma | Token::SemiColon => {
                self.here.chain = 0;
                self.tables += usize::from(self.here.in_from);
            }
            Token::Word(word) => self.word(word.keyword),
            Token::Whitespace(_) | Token::EOF | Token::Period | Token::Number(..) | Token::Placeholder(_) => {}
            text if is_text(text) => {}
            _ => self.operator(),
        }
    }

    fn word(&mut self, keyword: Keyword) {
        match keyword {
            Keyword::SELECT => {
                self.tables += 1;
                self.here = Level::default();
            }
            Keyword::JOIN => {
                self.tables += 1;
                self.here.chain = 0;
            }
            Keyword::FROM => self.here = Level { chain: 0, in_from: true },
            Keyword::WHERE | Keyword::GROUP | Keyword::HAVING | Keyword::ORDER | Keyword::LIMIT | Keyword::WINDOW => {
                self.here = Level::default();
            }
            Keyword::WHEN | Keyword::THEN | Keyword::ELSE | Keyword::END | Keyword::ON => self.here.chain = 0,
            Keyword::AND
            | Keyword::OR
            | Keyword::XOR
            | Keyword::NOT
            | Keyword::IS
            | Keyword::LIKE
            | Keyword::ILIKE
            | Keyword::SIMILAR
            | Keyword::BETWEEN
            | Keyword::IN
            | Keyword::DIV
            | Keyword::COLLATE
            | Keyword::AT
            | Keyword::CASE => self.operator(),
            _ => {}
        }
    }

    fn operator(&mut self) {
        self.here.chain += 1;
        self.deepest = self.deepest.max(self.around + self.here.chain);
    }
}

fn is_text(token: &Token) -> bool {
    matches!(
        token,
        Token::Char(_)
            | Token::SingleQuotedString(_)
            | Token::DoubleQuotedString(_)
            | Token::DollarQuotedString(_)
            | Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::UnicodeStringLiteral(_)
            | Token::HexStringLiteral(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sql: &str) -> Option<(Part, usize)> {
        too_deep(sql).map(|depth| (depth.part, depth.found))
    }

    fn times(count: usize, part: &str, between: &str) -> String {
        vec![part; count].join(between)
    }

    #[test]
    fn what_becomes_deep_is_counted_whatever_it_is_made_of() {
        let operators = |found| Some((Part::Operators, found));
        assert_eq!(found(&format!("SELECT {}", times(3_000, "1", "+"))), operators(2_999));
        assert_eq!(found(&times(600, "a = 1", " OR ")), operators(1_199));
        assert_eq!(found(&format!("SELECT 1{}", "::int".repeat(1_001))), operators(1_001));
        assert_eq!(found(&format!("SELECT a{}", "[1]".repeat(1_001))), operators(1_001));
        assert_eq!(found(&format!("SELECT {}1{}", "(".repeat(1_001), ")".repeat(1_001))), operators(1_001));
        assert_eq!(found(&format!("SELECT {}1{}", "f(1 + ".repeat(600), ")".repeat(600))), operators(1_200));
        let tables = |found| Some((Part::Tables, found));
        assert_eq!(found(&times(3_000, "SELECT 1", " UNION ALL ")), tables(3_000));
        assert_eq!(found(&format!("SELECT * FROM {}", times(600, "t", ", "))), tables(600));
        assert_eq!(found(&format!("SELECT * FROM {}", times(600, "t", " JOIN "))), tables(600));
    }

    #[test]
    fn what_is_only_long_is_not_deep() {
        for sql in [
            format!("SELECT {} FROM t", times(3_000, "a + b * c", ", ")),
            format!("SELECT CASE {} ELSE 1 END FROM t", times(3_000, "WHEN a = 1 AND b = 2 THEN 3", " ")),
            format!("SELECT * FROM t WHERE a IN ({})", times(9_000, "'x + y'", ", ")),
            format!("SELECT f({})", times(3_000, "(a + b)", ", ")),
            "SELECT ( [ {".to_owned(),
            ") ) SELECT 'no end".to_owned(),
        ] {
            assert_eq!(found(&sql), None, "{sql:.80}");
        }
    }

    #[test]
    fn the_refusal_says_how_deep_it_is_and_may_be() {
        let deep = too_deep(&times(3_000, "1", "+")).unwrap();
        let error = deep.explain(Error::config("plan the SQL"));
        assert_eq!(error.to_string(), "plan the SQL operators in one expression=2999 most=1000");
    }
}
