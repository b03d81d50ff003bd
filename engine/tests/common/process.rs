//! Another process: this test binary again, whose test `child` is told line by line what to do.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Names the database to the child, and tells it that it is one.
pub const CHILD: &str = "FORETASTE_PROCESSES_CHILD";

pub struct Process {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Process {
    pub fn start(path: &Path) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture", "--test-threads=1"])
            .env(CHILD, path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Process { child, to, from }
    }

    pub fn reader(path: &Path) -> Process {
        let mut process = Process::start(path);
        assert_eq!(process.ask("open"), "done");
        process
    }

    pub fn tell(&mut self, command: &str) {
        self.to.write_all(format!("{command}\n").as_bytes()).unwrap();
    }

    pub fn answer(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "the process ended");
            // The harness says something before the first answer, on the same line.
            if let Some((_, answer)) = line.trim_end().split_once("answer ") {
                return answer.to_string();
            }
        }
    }

    pub fn ask(&mut self, command: &str) -> String {
        self.tell(command);
        self.answer()
    }

    pub fn follow(&mut self) -> String {
        assert_eq!(self.ask("refresh"), "done");
        self.ask("see")
    }

    pub fn end(self) {
        let Process { mut child, to, .. } = self;
        drop(to);
        assert!(child.wait().unwrap().success());
    }
}
