/**
 * Byte offsets of the records of a port whose device keeps translations (laid out by sim/ats-port.ts, run by assembly/ats.ts); as
 * layout.ts.
 */

export const ATS_CACHE = 0; // pointer: the ATC, of all leaf classes; 0 = no entries
export const ATS_CLASSES = 4; // 1 … 3
export const ATS_CLASS_LOG2 = 8; // i32 × 4: log2 of bytes, ascending
export const ATS_HEAP = 24; // pointer to events
export const ATS_EVENTS = 28; // i32: events there
export const ATS_SEQ = 32; // u32: events so far, which orders those of one time
export const ATS_FREE = 36; // pointer to the first free request record; 0
export const ATS_READY_HEAD = 40; // request records whose turn to be sent comes before the stream's
export const ATS_READY_TAIL = 44;
export const ATS_MISSES = 48; // pointer to miss records × MISS_COUNT
export const ATS_MISS_COUNT = 52;
export const ATS_PAGES = 56; // translations that one request asks for: 1 … MISS_RESULTS
export const ATS_FAULT_HEAD = 60; // miss records that wait for a page request
export const ATS_FAULT_TAIL = 64;
export const ATS_ROOM = 68; // i32: page requests that may still be outstanding; -1: no PRI
export const ATS_GROUP_PAGES = 72;
export const ATS_GATHERS = 76; // i32: 1 = a group is being gathered
export const ATS_GROUP = 80; // u32: groups so far
export const ATS_INVALIDATIONS = 84; // pointer to invalidation records × (INVALIDATION_MASK + 1)
export const ATS_INVALIDATION_MASK = 88;
export const ATS_INVALIDATION_NEXT = 92; // u32: invalidations so far
export const ATS_RECORDS = 96; // pointer to request records × RECORD_COUNT
export const ATS_RECORD_COUNT = 100;
export const ATS_PUMP = 104; // f64: when the stream, or what is ready, may go on; Infinity
export const ATS_LOOKUP_PS = 112; // f64
export const ATS_MESSAGE_PS = 120; // f64: one way between port and unit, apart from the wire
export const ATS_GATHER_PS = 128; // f64
export const ATS_BYTES = 192;

/** Events of an ATS port: a heap by (time, sequence). */
export const EVENT_TIME = 0; // f64
export const EVENT_SEQ = 8; // u32
export const EVENT_KIND = 12; // u32: EVENT_* below
export const EVENT_REF = 16; // u32: record, or what the kind says
export const EVENT_BYTES = 24;
export const EVENT_REQUEST = 0; // a pre-translated request comes to the unit
export const EVENT_READ = 1; // memory has answered a read
export const EVENT_ASK = 2; // a translation request comes to the unit
export const EVENT_ANSWER = 3; // the unit has its answer
export const EVENT_GOT = 4; // the answer comes to the device
export const EVENT_GATHER = 5; // page requests are sent
export const EVENT_PAGE = 6; // a page request comes to the unit
export const EVENT_RESPOND = 7; // the unit sends a response: group | code << 16
export const EVENT_RESPONSE = 8; // it comes to the device
export const EVENT_INVALIDATE = 9; // an invalidation comes to the device

/** A request record of an ATS port is a read's with more fields; READ_DONE holds its wait for a translation until it is at the unit. */
export const READ_NEXT = 48; // pointer to the next of a list
export const READ_PHASE = 52; // i32 PHASE_*
export const READ_VALID = 56; // i32: ready, and its translation has not been invalidated
export const ATS_READ_BYTES = 64;
export const PHASE_FREE = 0;
export const PHASE_WAITS = 1; // at the device
export const PHASE_SENT = 2; // on the way to the unit
export const PHASE_READS = 3; // READ_DONE: when memory has answered

/** A translation that the device has asked for, and the requests that wait for it. */
export const MISS_PAGE = 0; // f64: first page asked for
export const MISS_FAULT_PS = 8; // f64: when the answer showed the fault
export const MISS_PAGES = 16; // i32: pages asked for
export const MISS_STATE = 20; // i32 MISS_STATE_*
export const MISS_HEAD = 24; // waiting request records
export const MISS_TAIL = 28;
export const MISS_STALE = 32; // i32: invalidated while it was asked for
export const MISS_ACCESS = 36; // i32: of the page request
export const MISS_GROUP = 40; // i32: group of the page request, | 512 in the last of a group
export const MISS_NEXT = 44; // pointer: next that waits for a page request
export const MISS_STATUS = 48; // i32: fault code of a refused request, 0
export const MISS_ANSWERS = 52; // i32: results
export const MISS_RESULT = 56; // results: f64 first page, i32 log2 of bytes, i32 permissions
export const RESULT_PAGE = 0;
export const RESULT_LOG2 = 8;
export const RESULT_ALLOWED = 12;
export const RESULT_BYTES = 16;
export const MISS_RESULTS = 8;
export const MISS_BYTES = 192; // MISS_RESULT + MISS_RESULTS * RESULT_BYTES, rounded up
export const MISS_STATE_FREE = 0;
export const MISS_STATE_ASKED = 1;
export const MISS_STATE_FAULTED = 2; // waits to be put into a group
export const MISS_STATE_REQUESTED = 3; // page request sent

export const GROUP_LAST = 512;
export const GROUP_MASK = 511;
export const RESPONSE_SUCCESS = 0; // PCIe base specification, table 10-6
export const RESPONSE_INVALID = 1;
export const RESPONSE_FAILURE = 15;

/** An invalidation on its way to the device. */
export const INVALIDATION_PAGE = 0; // f64
export const INVALIDATION_ANSWER_PS = 8; // f64: when the unit takes it for done
export const INVALIDATION_LOG2 = 16; // i32: log2 of pages
export const INVALIDATION_BYTES = 24;
