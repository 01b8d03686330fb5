//! Ctrl-C and the signal to terminate: the first asks the work to stop at the next image, so that what is printed is whole
//! lines; the second, or two seconds of waiting for it (a list on stdin may never move again), ends the process. A service
//! ends by itself, when its requests are answered or have had their time.

use std::time::Duration;

use inference::Cancel;
use model_core::text::system_words;

use crate::Exit;

/// How long the work may take to notice.
const GRACE: Duration = Duration::from_secs(2);

/// Installs the handler and gives the flag that it sets. `patient` leaves the end to the work.
pub fn install(patient: bool) -> Cancel {
    let cancel = Cancel::default();
    let flag = cancel.clone();
    let installed = ctrlc::set_handler(move || {
        if flag.is_cancelled() {
            std::process::exit(Exit::Interrupted as i32);
        }
        flag.cancel();
        if !patient {
            std::thread::spawn(|| {
                std::thread::sleep(GRACE);
                std::process::exit(Exit::Interrupted as i32);
            });
        }
    });
    if let Err(error) = installed {
        let why = system_words(error);
        crate::report::note(&format!("Ctrl-C ends the program at once: {why}"));
    }
    cancel
}
