use nightlatch_asset::{BodyEnd, Failure, HttpAnswer};

use super::{
    chunked::{Chunked, Chunking},
    head::{self, Framing, StatusLine},
};
use crate::Stopped;

/// How many of the first bytes are kept for [`Failure::Foreign`].
pub const FIRST_BYTES_MAX: usize = 512;

/// Most interim answers (status 100 to 199) that are skipped before the final one.
pub const INTERIM_ANSWERS_MAX: usize = 8;

/// Most line ends that are skipped before a status line.
const LEADING_LINE_ENDS_MAX: usize = 8;

const SIGNATURE: &[u8] = b"HTTP/";

/// How much of an answer is read and kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Status line and header lines together, in bytes; at the bound reading stops and what came is kept.
    pub head_bytes_max: usize,
    /// Headers that are kept; further lines are only read over.
    pub header_lines_max: usize,
    /// Body after removal of the transfer coding, in bytes.
    pub body_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { head_bytes_max: 16 * 1024, header_lines_max: 100, body_bytes_max: 64 * 1024 }
    }
}

/// Whether a [`Reader`] wants more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// More bytes are needed.
    More,
    /// The answer is complete, capped or broken; more bytes change nothing but [`Reader::reusable`].
    Done,
    /// The peer does not speak HTTP. More bytes may be pushed, up to [`FIRST_BYTES_MAX`] of them are kept.
    Foreign,
}

/// Reads one answer from pieces of any size.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    head_request: bool,
    first: Vec<u8>,
    answer: HttpAnswer,
    keeps_alive: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Head(HeadState),
    /// A body whose end is a byte count; `doubtful` when the head contradicts itself.
    Length {
        remaining: u64,
        doubtful: bool,
    },
    Chunked(Chunked),
    UntilClose,
    /// Nothing of what comes belongs to the answer any more; so many bytes came after its end.
    Done {
        left_over: u64,
    },
    Foreign,
}

#[derive(Debug, Default)]
struct HeadState {
    /// Where the line begins that is being read, in `answer.head`.
    line_start: usize,
    leading_line_ends: usize,
    interim_answers: usize,
    status_line: Option<StatusLine>,
}

impl Reader {
    /// A reader for the answer to one request; `head_request` when its verb was `HEAD`.
    pub fn new(limits: Limits, head_request: bool) -> Self {
        let state = State::Head(HeadState::default());
        Self {
            limits,
            head_request,
            first: Vec::new(),
            answer: HttpAnswer::default(),
            keeps_alive: false,
            state,
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, mut piece: &[u8]) -> Progress {
        let room = FIRST_BYTES_MAX.saturating_sub(self.first.len());
        self.first.extend_from_slice(&piece[..piece.len().min(room)]);
        while !piece.is_empty() {
            piece = match &mut self.state {
                State::Head(_) => self.push_head(piece),
                State::Length { .. } | State::Chunked(_) | State::UntilClose => self.push_body(piece),
                State::Done { left_over } => {
                    *left_over += piece.len() as u64;
                    &[]
                }
                State::Foreign => &[],
            };
        }
        match self.state {
            State::Done { .. } => Progress::Done,
            State::Foreign => Progress::Foreign,
            _ => Progress::More,
        }
    }

    /// Whether another request may be sent on the connection: the answer ended by its own framing, not a
    /// byte came after it, and its head allows it. To be asked before [`Reader::finish`].
    pub fn reusable(&self) -> bool {
        matches!(self.state, State::Done { left_over: 0 })
            && self.answer.end == BodyEnd::Complete
            && self.answer.status != 101
            && self.keeps_alive
    }

    /// The answer, as far as it came.
    ///
    /// # Errors
    /// Why there is none: nothing came, or something that is not HTTP.
    pub fn finish(mut self, stopped: Stopped) -> Result<HttpAnswer, Failure> {
        match &self.state {
            State::Done { .. } => {}
            State::Foreign => return Err(Failure::Foreign(self.first)),
            State::Head(_) => return self.finish_head(stopped),
            State::Chunked(chunked) if chunked.has_all_data() => self.answer.end = BodyEnd::Complete,
            State::UntilClose if stopped == Stopped::Closed => self.answer.end = BodyEnd::Complete,
            _ => self.answer.end = end_when(stopped),
        }
        Ok(self.answer)
    }

    fn finish_head(mut self, stopped: Stopped) -> Result<HttpAnswer, Failure> {
        let State::Head(head) = &self.state else { return Err(stopped.failure()) };
        // A status line that lacks only its line end is as good as whole.
        let status_line = head.status_line.or_else(|| head::status_line(&self.answer.head));
        let Some(status_line) = status_line else {
            let heard = head.interim_answers == 0 && !self.first.is_empty();
            let foreign = heard && stopped == Stopped::Closed;
            return Err(if foreign { Failure::Foreign(self.first) } else { stopped.failure() });
        };
        self.take_head(status_line);
        self.answer.end = end_when(stopped);
        Ok(self.answer)
    }

    /// Takes bytes of the head, to its end at most; gives back what belongs to the body.
    fn push_head<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let State::Head(head) = &mut self.state else { return piece };
        let bytes = &mut self.answer.head;
        if bytes.is_empty() && matches!(piece, [b'\r' | b'\n', ..]) {
            head.leading_line_ends += 1;
            if head.leading_line_ends <= LEADING_LINE_ENDS_MAX {
                return &piece[1..];
            }
        }
        let line_end = piece.iter().position(|b| *b == b'\n').map_or(piece.len(), |at| at + 1);
        let room = self.limits.head_bytes_max.saturating_sub(bytes.len());
        let (taken, rest) = piece.split_at(line_end.min(room));
        bytes.extend_from_slice(taken);
        if !bytes.iter().zip(SIGNATURE).all(|(found, expected)| found == expected) {
            self.state = State::Foreign;
            return rest;
        }
        if bytes.ends_with(b"\n") && !taken.is_empty() {
            self.end_line();
        } else if line_end > room {
            self.end_at_cap();
        }
        rest
    }

    fn end_line(&mut self) {
        let State::Head(head) = &mut self.state else { return };
        let line = self.answer.head.get(head.line_start..).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match head.status_line {
            None => match head::status_line(line) {
                Some(status_line) => head.status_line = Some(status_line),
                None => self.state = State::Foreign,
            },
            Some(status_line) if line.is_empty() => {
                self.answer.head.truncate(head.line_start);
                return self.end_head(status_line);
            }
            Some(_) => {}
        }
        if let State::Head(head) = &mut self.state {
            head.line_start = self.answer.head.len();
        }
    }

    fn end_head(&mut self, status_line: StatusLine) {
        let State::Head(head) = &mut self.state else { return };
        let interim = status_line.status < 200 && status_line.status != 101;
        if interim && head.interim_answers < INTERIM_ANSWERS_MAX {
            self.answer.head.clear();
            self.state =
                State::Head(HeadState { interim_answers: head.interim_answers + 1, ..HeadState::default() });
            return;
        }
        let framing = self.take_head(status_line);
        self.state = match framing {
            Framing::Nothing | Framing::Length(0) => State::Done { left_over: 0 },
            Framing::Length(remaining) => State::Length { remaining, doubtful: false },
            Framing::DoubtfulLength(remaining) => State::Length { remaining, doubtful: true },
            Framing::Chunked => State::Chunked(Chunked::new()),
            Framing::UntilClose => State::UntilClose,
        };
        if interim {
            self.answer.end = BodyEnd::Malformed;
        }
        if matches!(self.state, State::Length { remaining: 0, .. }) {
            self.end_body(BodyEnd::Malformed);
        }
    }

    fn end_at_cap(&mut self) {
        let State::Head(head) = &self.state else { return };
        match head.status_line.or_else(|| head::status_line(&self.answer.head)) {
            None => self.state = State::Foreign,
            Some(status_line) => {
                self.take_head(status_line);
                self.end_body(BodyEnd::Capped);
            }
        }
    }

    /// Fills in status and headers. The framing looks at every line that came, also at those not kept.
    fn take_head(&mut self, status_line: StatusLine) -> Framing {
        let StatusLine { status, minor_version } = status_line;
        let mut headers = head::headers(&self.answer.head);
        self.keeps_alive = head::keeps_alive(minor_version, &headers);
        let framing = head::framing(status, &headers, self.head_request);
        headers.truncate(self.limits.header_lines_max);
        (self.answer.status, self.answer.minor_version, self.answer.headers) =
            (status, minor_version, headers);
        framing
    }

    /// Takes bytes of the body, to its end at most; gives back what came after it.
    fn push_body<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let bytes_max = self.limits.body_bytes_max;
        let room = bytes_max.saturating_sub(self.answer.body.len());
        match &mut self.state {
            State::Length { remaining, doubtful } => {
                let wanted = usize::try_from(*remaining).unwrap_or(usize::MAX).min(piece.len());
                let (data, rest) = piece.split_at(wanted.min(room));
                self.answer.body.extend_from_slice(data);
                *remaining -= data.len() as u64;
                let (complete, doubtful) = (*remaining == 0, *doubtful);
                if complete {
                    self.end_body(if doubtful { BodyEnd::Malformed } else { BodyEnd::Complete });
                } else if self.answer.body.len() >= bytes_max {
                    self.end_body(BodyEnd::Capped);
                }
                rest
            }
            State::Chunked(chunked) => match chunked.push(piece, &mut self.answer.body, bytes_max) {
                Chunking::More => &[],
                Chunking::Ended { left } => {
                    self.end_body(BodyEnd::Complete);
                    piece.get(piece.len() - left..).unwrap_or_default()
                }
                Chunking::Broken => self.end_body(BodyEnd::Malformed),
                Chunking::Full => self.end_body(BodyEnd::Capped),
            },
            State::UntilClose => {
                let (data, rest) = piece.split_at(piece.len().min(room));
                self.answer.body.extend_from_slice(data);
                if !rest.is_empty() {
                    self.end_body(BodyEnd::Capped);
                }
                rest
            }
            _ => piece,
        }
    }

    fn end_body(&mut self, end: BodyEnd) -> &'static [u8] {
        self.answer.end = end;
        self.state = State::Done { left_over: 0 };
        &[]
    }
}

fn end_when(stopped: Stopped) -> BodyEnd {
    match stopped {
        Stopped::Closed | Stopped::Reset => BodyEnd::Cut,
        Stopped::Timeout => BodyEnd::Timeout,
        Stopped::Enough => BodyEnd::Capped,
    }
}
