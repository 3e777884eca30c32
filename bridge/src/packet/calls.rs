//! Packets of calls.

use std::time::Duration;

use super::bytes::{Invalid, Reader, Writer};

/// A place where calls are answered is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Names this run of its bridge. What it knows of calls ends with it.
    pub place: u64,
    /// The most bytes of a request.
    pub limit: u64,
}

impl Place {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.place);
        writer.u64(self.limit);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Place, Invalid> {
        Ok(Place {
            place: reader.u64("place")?,
            limit: reader.u64("limit")?,
        })
    }
}

/// A request, or that its caller has given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The run of the bridge that the caller is at.
    pub caller: u64,
    /// Whose call it is.
    pub place: u64,
    /// Its number there: never used again in that run.
    pub number: u64,
    /// All calls of lower numbers have ended: their answers can be forgotten.
    pub base: u64,
    /// Which attempt it is at the caller's host.
    pub attempt: u8,
    /// The caller waits so long yet; `None`: for ever.
    pub remaining: Option<Duration>,
    /// The request; `None`: the caller has given up.
    pub request: Option<&'a [u8]>,
}

/// No deadline.
const NEVER: u64 = u64::MAX;

impl<'a> Call<'a> {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.caller);
        writer.u64(self.place);
        writer.u64(self.number);
        writer.u64(self.base);
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(NEVER);
        writer.u64(self.remaining.map_or(NEVER, nanos));
        writer.u8(self.attempt);
        writer.u8(self.request.is_some().into());
        writer.bytes(self.request.unwrap_or(&[]));
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Call<'a>, Invalid> {
        let (caller, place) = (reader.u64("caller")?, reader.u64("place")?);
        let (number, base) = (reader.u64("number")?, reader.u64("base")?);
        let remaining = reader.u64("remaining time")?;
        let attempt = reader.u8("attempt")?;
        let is_request = reader.flags("flags", 1)? != 0;
        let request = reader.remainder();
        if base > number {
            return Err(Invalid::new("base", format!("up to {number}"), base));
        }
        if !is_request && !request.is_empty() {
            return Err(Invalid::new("bytes of a cancellation", 0, request.len()));
        }
        Ok(Call {
            caller,
            place,
            number,
            base,
            attempt,
            remaining: (remaining != NEVER).then(|| Duration::from_nanos(remaining)),
            request: is_request.then_some(request),
        })
    }
}

/// How a call ended at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The body is the response.
    Done,
    /// The body is the text of the error.
    Failed,
    /// It has the call, and no answer yet.
    Working,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// To which run of a bridge.
    pub caller: u64,
    /// From which place.
    pub place: u64,
    /// To which call.
    pub number: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// Response, or text.
    pub body: &'a [u8],
}

impl<'a> Answer<'a> {
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u64(self.caller);
        writer.u64(self.place);
        writer.u64(self.number);
        writer.u8(match self.outcome {
            Outcome::Done => 0,
            Outcome::Failed => 1,
            Outcome::Working => 2,
        });
        writer.bytes(self.body);
    }

    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Answer<'a>, Invalid> {
        Ok(Answer {
            caller: reader.u64("caller")?,
            place: reader.u64("place")?,
            number: reader.u64("number")?,
            outcome: match reader.u8("outcome")? {
                0 => Outcome::Done,
                1 => Outcome::Failed,
                2 => Outcome::Working,
                other => return Err(Invalid::new("outcome", "0 to 2", other)),
            },
            body: reader.remainder(),
        })
    }
}
