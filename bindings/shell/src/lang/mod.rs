//! The statements of the shell.
//!
//! ```text
//! text ──> split ──> one statement's text ──> token ──> parse ──> ast
//!                                              └─ clause (where a filter ends)  └──> print (canonical text)
//! ```
//!
//! Reads from: text that a person or a script wrote. Writes to: nothing.
//! Never: a panic, a database, a look into a filter: its text is given to the engine's own language.
//!
//! # Grammar
//!
//! ```text
//! statement  = ( create | drop | insert | delete | get | search | watch | explain
//!              | optimize | compact | flush | alter | change ) , [ ";" ] ;
//!
//! create     = "create" , "collection" , [ "if" , "not" , "exists" ] , name , "(" , item , { "," , item } , ")" ;
//! item       = [ name ] , "vector" , metric , "(" , dims , ")" , { option }
//!            | "tokens" , "(" , dims , ")" , [ "element" , element ]
//!            | path , ( "text" | "int" | "float" | "bool" | "fulltext" , [ language ] , [ "accents" ] ) ;
//! metric     = "cosine" | "dot" | "l2" ;
//! option     = "levels" , dims , { "," , dims } | "element" , element | "rotation" , ( "none" | "pca" )
//!            | "variance" , ( "scalar" | "diagonal" | "compact" ) | "index" , index
//!            | "recipe" , "layer_norm" , "(" , dims , ")" | "space" , space ;
//! element    = "f32" | "f16" | "bf16" | "i8" ;
//! index      = "auto" | "flat" | "ivf" , [ "(" , cells , ")" ]
//!            | "hnsw" , [ "(" , setting , { "," , setting } , ")" ] ;
//! setting    = ( "m" | "ef_construction" | "edge_bits" ) , integer ;
//!
//! drop       = "drop" , "collection" , [ "if" , "exists" ] , name ;
//! alter      = "alter" , "collection" , name , ( "add" , path , "fulltext" , [ language ] , [ "accents" ]
//!            | "truncate" , dims | "extend" , dims , { "," , dims }
//!            | "space" , space | "rule" , space , rule | "drop" , "rule" , space ) ;
//! rule       = "prefix" , dims
//!            | "adapter" , "from" , file , [ "to" , file ] , [ "by" , fit ] , [ "retain" , number ] ;
//! fit        = "procrustes" , [ "scaled" ] | "ridge" , [ "(" , number , ")" ] | "anchors" , "(" , integer , ")" ;
//! change     = "change" , name , ( "to" , metric , "(" , dims , ")" , { option } , of which one is a space
//!            | "embed" , path , [ "order" , ( "stored" | "variance" ) ]
//!            | "import" , file , [ "vector" , string ] , [ "id" , string ]
//!            | "flip" | "finish" | "drop" ) ;
//! insert     = "insert" , "into" , name , "values" , row , { "," , row } ;
//! row        = "(" , id , "," , vector , { "," , part } , ")" ;
//! part       = object | name , vector | "variance" , ( number | vector ) | "tokens" , matrix ;
//! delete     = "delete" , "from" , name , id , { "," , id } ;
//! get        = "get" , id , { "," , id } , "from" , name ;
//! optimize   = "optimize" , name , [ "as" , index ] , [ "rotation" , ( "none" | "pca" ) ] ;
//! compact    = "compact" , [ name ] ;   flush = "flush" , [ name ] ;
//! watch      = "watch" , search ;       explain = "explain" , search ;
//!
//! search     = "search" , name , source , { source } , { clause } ;
//! source     = "near" , target , [ "of" , space ] , [ "in" , name ] , [ "weight" , number ]
//!            | "match" , path , string , [ "weight" , number ] ;
//! target     = vector | id | "file" , string , [ "row" , integer ] | "text" , string ;
//! clause     = "where" , filter | "max_uncertainty" , number | "k" , integer | "dims" , dims | "ef" , integer
//!            | "nprobe" , integer | "exact"
//!            | "recall" , number | "within" , duration | "budget" , integer | "variance" , ( number | vector )
//!            | "fuse" , fusion , [ "depth" , integer ] , [ "votes" , integer ] | "rerank" , stage , { "," , stage }
//!            | "fields" , path , { "," , path } ;
//! fusion     = "rrf" , [ "(" , number , ")" ] | "zscore" | "minmax" | "borda" | "copeland" | "kemeny"
//!            | "runoff" , "(" , integer , ")" ;
//! stage      = "levels" , "(" , dims , ":" , rows , { "," , dims , ":" , rows } , ")"
//!            | "levels" , "(" , "auto" , number , ")" | "uncertainty" , [ "(" , "among" , integer , ")" ]
//!            | "mmr" , "(" , number , [ "," , "among" , integer ] , ")" | "csd" , [ "(" , number , ")" ]
//!            | "gaussian" , "(" , measure , ")" | "maxsim" , "(" , matrix , [ "," , "among" , integer ] , ")"
//!            | "scored" , "(" , integer , { "," , ( "batch" , integer | "adaptive" ) } , ")" ;
//! measure    = "wasserstein" | "bhattacharyya" | "likelihood" | "expected" ;
//! duration   = number , ( "us" | "ms" | "s" | "min" ) ;
//!
//! file       = string ;
//! space      = string , of a model and its version: 'model@version' ;
//! id         = string | integer ;       vector = "[" , number , { "," , number } , "]" ;
//! matrix     = "[" , vector , { "," , vector } , "]" ;      object = a JSON object ;
//! path       = name , { "." , name | "[" , digits , "]" } ;
//! name       = letters, digits and "_" , or '"' , { any character, '"' doubled } , '"' ;
//! string     = "'" , { any character, "'" doubled } , "'" ;
//! ```
//!
//! * Words of the language are case-insensitive. A name that is also a word of it is best put in double quotes.
//! * `-- …` to the end of a line and `/* … */` are comments, also inside a filter.
//! * A filter is the engine's own language ([`foretaste::lang`]). It ends where a word stands that begins a clause, outside
//!   brackets and quotes, and where no operand is due: in `where k = 3 k 10` the first `k` is a field, the second a clause.
//!
//! ```
//! use foretaste_shell::lang::parse;
//!
//! let statement = parse("SEARCH docs NEAR [0.1, 2] where lang == 'en' k 5;")?;
//! assert_eq!(statement.to_string(), "search docs near [0.1, 2] where lang = 'en' k 5");
//!
//! let text = "search docs naer [1]";
//! let refused = parse(text).unwrap_err();
//! assert_eq!(refused.to_string(), "expected `near` or `match`, found `naer`");
//! assert_eq!(refused.hint.as_deref(), Some("did you mean `near`?"));
//! assert_eq!(refused.render(text), "search docs naer [1]\n            ^");
//! # Ok::<(), foretaste_shell::lang::Refused>(())
//! ```

mod ast;
mod clause;
mod error;
mod parse;
mod print;
mod split;
mod token;
mod words;

pub use ast::{
    Alter, Alteration, Change, Create, Delete, Get, Insert, Item, Lists, Method, Name, NewRule, Optimize,
    Part, Row, Search, Source, Stage, Statement, Step, Target, VectorKind, Where, Words,
};
pub use error::{Expected, Refused};
pub use parse::{expected, parse};
pub use split::{Open, Splitter};
pub use token::{Kind, Lexer, Token};
pub use words::{LANGUAGES, is_word, nearest};

/// A name as it is written: in double quotes where it needs them.
pub fn quoted(name: &str) -> String {
    print::quoted(name)
}

#[cfg(test)]
mod tests;
