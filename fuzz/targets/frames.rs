//! What viewers and gateways send each other: no bytes harm a decoder, and a frame that it reads is the one that it writes.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use podling_session::frame::{ClientFrame, ServerFrame};

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(Some(frame)) = ClientFrame::decode(bytes.clone()) {
        assert_eq!(ClientFrame::decode(frame.encode()), Ok(Some(frame)));
    }
    if let Ok(Some(frame)) = ServerFrame::decode(bytes) {
        assert_eq!(ServerFrame::decode(frame.encode()), Ok(Some(frame)));
    }
});
