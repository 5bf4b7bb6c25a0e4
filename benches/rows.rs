//! The rows against the clock: `cargo bench -p mqtt-benches --bench rows [FILTER]`. A new row of `benches/src` is here, too.

use std::time::Instant;

use criterion::{Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for row in mqtt_benches::rows() {
        let mut group = criterion.benchmark_group("rows");
        group.throughput(Throughput::Elements(row.units));
        group.bench_function(&row.name, |bencher| {
            bencher.iter_custom(|iterations| {
                let start = Instant::now();
                assert!(row.run(iterations * row.units) > 0);
                start.elapsed()
            });
        });
        group.finish();
    }
    criterion.final_summary();
}
