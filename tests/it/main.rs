//! What a user meets, held from outside: the programs are run in folders of their own, and what they leave is read
//! with other readers than their own.

mod bad_input;
mod clean;
mod clean_size;
mod clocks;
mod columns;
mod configs;
mod control_characters;
mod damage;
mod determinism;
mod diverge;
mod ensembles;
mod explain;
mod faults;
mod foreign;
mod front_end;
mod harness;
#[cfg(unix)]
mod hostile;
mod join;
mod kill;
mod layering;
mod layers;
mod library;
mod liveness;
mod original;
mod power_loss;
mod report;
mod report_data;
mod requests;
mod resume;
mod run;
mod scores;
mod simulate_render;
mod streams;
mod sweep;
mod terminals;
mod verify;
