//! An endless answer as it comes over a raw connection: head, chunks, frames.

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It is not 200; the first line.
    Status(String),
    /// The head has no end.
    Head,
    /// A chunk has no size.
    Chunk,
}

/// Longest head that anybody sends.
const MOST_HEAD: usize = 16 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Head,
    /// Where the size of a chunk stands.
    Size,
    /// In a chunk of which so many bytes are to come, the line break after it included.
    Chunk(usize),
    /// In a body that goes on until the connection ends.
    Plain,
}

/// One frame, without the empty line that ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its event; empty where it has none.
    pub event: &'a str,
    /// Its data, of one line; empty where it has none.
    pub data: &'a str,
}

/// Reads an answer piece by piece.
#[derive(Debug)]
pub struct Wire {
    place: Place,
    /// The head or a chunk's size, as far as it has come.
    line: Vec<u8>,
    /// What has come of a frame.
    frame: Vec<u8>,
}

impl Default for Wire {
    fn default() -> Self {
        Self { place: Place::Head, line: Vec::new(), frame: Vec::new() }
    }
}

impl Wire {
    /// Whether the head has come, and with it the word that all is well.
    pub fn is_open(&self) -> bool {
        self.place != Place::Head
    }

    /// Takes the next bytes, and shows each frame that they end.
    pub fn takes(
        &mut self,
        mut bytes: &[u8],
        mut shows: impl FnMut(Frame<'_>),
    ) -> Result<(), Broken> {
        while !bytes.is_empty() {
            bytes = match self.place {
                Place::Head => self.takes_head(bytes)?,
                Place::Size => self.takes_size(bytes)?,
                Place::Plain => {
                    self.takes_text(bytes, &mut shows);
                    &[]
                }
                Place::Chunk(left) => {
                    let (now, rest) = bytes.split_at(left.min(bytes.len()));
                    // The last two bytes are the chunk's own line break.
                    let text = now.len().min(left.saturating_sub(2));
                    self.takes_text(&now[..text], &mut shows);
                    let left = left - now.len();
                    self.place = if left == 0 { Place::Size } else { Place::Chunk(left) };
                    rest
                }
            };
        }
        Ok(())
    }

    fn takes_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Broken> {
        let begins = self.line.len();
        self.line.extend_from_slice(bytes);
        let Some(end) = position(&self.line, b"\r\n\r\n") else {
            return if self.line.len() > MOST_HEAD { Err(Broken::Head) } else { Ok(&[]) };
        };
        let head = String::from_utf8_lossy(&self.line[..end]).to_lowercase();
        let status = head.lines().next().unwrap_or_default();
        if status.split(' ').nth(1) != Some("200") {
            return Err(Broken::Status(status.to_owned()));
        }
        let is_chunked = head.lines().any(|line| line == "transfer-encoding: chunked");
        self.place = if is_chunked { Place::Size } else { Place::Plain };
        self.line.clear();
        Ok(&bytes[end + 4 - begins..])
    }

    fn takes_size<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Broken> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.line.extend_from_slice(bytes);
            return Ok(&[]);
        };
        self.line.extend_from_slice(&bytes[..end]);
        let text = str::from_utf8(&self.line).map_err(|_| Broken::Chunk)?;
        let size = usize::from_str_radix(text.trim_end(), 16).map_err(|_| Broken::Chunk)?;
        self.line.clear();
        self.place = Place::Chunk(size + 2);
        Ok(&bytes[end + 1..])
    }

    fn takes_text(&mut self, text: &[u8], shows: &mut impl FnMut(Frame<'_>)) {
        self.frame.extend_from_slice(text);
        let mut begins = 0;
        while let Some(length) = position(&self.frame[begins..], b"\n\n") {
            let text = str::from_utf8(&self.frame[begins..begins + length]).unwrap_or_default();
            shows(frame_of(text));
            begins += length + 2;
        }
        self.frame.drain(..begins);
    }
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|found| found == wanted)
}

fn frame_of(text: &str) -> Frame<'_> {
    let mut frame = Frame { event: "", data: "" };
    for line in text.lines() {
        if let Some(data) = line.strip_prefix("data: ") {
            frame.data = data;
        } else if let Some(event) = line.strip_prefix("event: ") {
            frame.event = event;
        }
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// What is shown of an answer that comes in pieces of `step` bytes.
    fn shown(answer: &str, step: usize) -> Result<Vec<(String, String)>, Broken> {
        let (mut wire, mut found) = (Wire::default(), Vec::new());
        for piece in answer.as_bytes().chunks(step) {
            wire.takes(piece, |frame| found.push((frame.event.into(), frame.data.into())))?;
        }
        Ok(found)
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let text = ": ok\n\nid: 7f.3\nevent: notification\ndata: {\"seq\":3}\n\ndata: x\n\n";
        let (first, second) = text.split_at(20);
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
        let plain = format!("HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n{text}");
        let whole = format!("{CHUNKED}{}", chunk(text));
        let parts = format!("{CHUNKED}{}{}", chunk(first), chunk(second));
        let expected = [("", ""), ("notification", "{\"seq\":3}"), ("", "x")]
            .map(|(event, data)| (event.to_owned(), data.to_owned()));
        for answer in [plain, whole, parts] {
            for step in 1..answer.len() {
                assert_eq!(shown(&answer, step).unwrap(), expected, "{step} of {answer:?}");
            }
        }
    }

    #[test]
    fn what_is_no_stream_is_refused() {
        let refused = shown("HTTP/1.1 503 Service Unavailable\r\n\r\n", 7);
        assert_eq!(refused, Err(Broken::Status("http/1.1 503 service unavailable".into())));
        assert_eq!(shown(&format!("{CHUNKED}zz\r\n"), 5), Err(Broken::Chunk));
        assert_eq!(shown(&"x".repeat(MOST_HEAD + 1), 1_000), Err(Broken::Head));
    }
}
