//! Numbers per directory.

use std::collections::BTreeMap;

use crate::{left_out::is_left_out, run::TestResult};

#[derive(Default)]
struct Sum {
    files: usize,
    passed: usize,
    failed: usize,
    broken: usize,
    /// Without what is left out on purpose.
    scope: (usize, usize),
}

impl Sum {
    fn add(&mut self, result: &TestResult) {
        let passed = result.subtests.iter().filter(|(_, status, _)| *status == "PASS").count();
        self.files += 1;
        self.passed += passed;
        self.failed += result.subtests.len() - passed;
        // The file as a whole is one more that failed.
        self.failed += usize::from(result.failure.is_some());
        self.broken += usize::from(result.failure.is_some());
        for (test, status, _) in &result.subtests {
            if !is_left_out(&result.path, test) {
                self.scope.0 += usize::from(*status == "PASS");
                self.scope.1 += 1;
            }
        }
        if !is_left_out(&result.path, "") {
            self.scope.1 += usize::from(result.failure.is_some());
        }
    }

    fn print(&self, name: &str) {
        let all = (self.passed + self.failed).max(1);
        let share = 100.0 * self.passed as f64 / all as f64;
        let within = 100.0 * self.scope.0 as f64 / self.scope.1.max(1) as f64;
        println!(
            "{name:44} {:6} {:7} {:7} {share:7.1}% {within:7.1}% {:6}",
            self.files, self.passed, self.failed, self.broken
        );
    }
}

/// One line for each directory that was asked for, and one for each below it.
pub fn print(wanted: &[&str], results: &[TestResult], skipped: &[String], verbose: bool) {
    if verbose {
        for result in results {
            let name = format!("{}{}", result.path, result.variant);
            if let Some(failure) = &result.failure {
                println!("FILE  {name}: {failure}");
            }
            for (test, status, message) in result.subtests.iter().filter(|(_, status, _)| *status != "PASS") {
                println!("{status}  {name}: {test}: {message}");
            }
        }
    }
    println!("{:44} {:>6} {:>7} {:>7} {:>8} {:>8} {:>6}", "", "files", "passed", "failed", "all", "in scope", "broken");
    for wanted in wanted {
        let (mut all, mut below) = (Sum::default(), BTreeMap::<&str, Sum>::new());
        for result in results.iter().filter(|result| within(&result.path, wanted)) {
            all.add(result);
            if let Some((directory, _)) = result.path.rsplit_once('/') {
                below.entry(directory).or_default().add(result);
            }
        }
        all.print(wanted);
        if below.len() > 1 {
            below.iter().for_each(|(directory, sum)| sum.print(&format!("  {directory}")));
        }
    }
    if !skipped.is_empty() {
        println!("skipped, as they run in a window only: {}", skipped.join(", "));
    }
}

fn within(path: &str, wanted: &str) -> bool {
    path.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/') || wanted.contains('.') || wanted.ends_with('_'))
}

/// Every result.
pub fn write_json(path: &str, results: &[TestResult]) {
    let text = serde_json::to_string_pretty(results).expect("JSON");
    std::fs::write(path, text).expect("the file of WPT_JSON can be written");
}
