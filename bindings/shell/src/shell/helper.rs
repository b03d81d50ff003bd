//! Commands of the user's that work for the shell: started apart from the terminal, and ended with all that they have started.
//!
//! Ctrl-C at the terminal is for the shell alone, which then ends the command: otherwise the command's own end would be told
//! as a failure, or not, by who is faster.

use std::io;
use std::process::{Child, Stdio};

use super::out::shell_command;

/// Starts a command line with pipes to all its streams.
pub fn start(command: &str) -> io::Result<Child> {
    let mut line = shell_command(command);
    line.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut line, 0);
    line.spawn()
}

/// Ends a command, if it has not ended by itself, and waits for it.
pub fn end(child: &mut Child) {
    #[cfg(unix)]
    {
        use rustix::process::{Pid, Signal, kill_process_group};
        // It is not waited for yet, so that the group is still its own.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
    }
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}
