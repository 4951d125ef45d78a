//! What merged tables carry from run to run: each run's own partial rows, one per key, as Parquet beside the log.
//!
//! A *piece* holds the rows of one run, or of several runs merged into one row per key. Rows are kept apart by run for as
//! long as their run's commit counts: a run that is replaced takes its piece with it, and what the other runs contributed
//! stays as it was. [`FAN`] pieces of one level become one of the next, so that a run reads few of them however long the
//! history is; the pieces it is made of stay, in case one of their runs is replaced.
//!
//! The list of pieces is an object of its own, named by the commit that made it. A piece is cut into parts by the hash of
//! its keys: a run reads the parts that its keys can be in, and of those the rows of its keys.

mod pieces;
mod rows;
#[cfg(test)]
mod tests;

pub use self::pieces::{CARRIED, CarriedState, FAN, Part, Piece, paths, take_out};
pub use self::rows::{PieceWriter, by_range, each_key, key_hashes, part_bits, read_rows, stem};
