//! The way back from generated text to the user's own: source maps, version 3 (ECMA-426).

/// Where a generated position came from. Lines and columns count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    generated_column: u32,
    line: u32,
    column: u32,
}

/// A decoded `mappings` field.
#[derive(Debug, Default)]
pub struct SourceMap {
    lines: Vec<Vec<Segment>>,
}

impl SourceMap {
    /// Decodes `mappings`; what is malformed in it is left out.
    pub fn decode(mappings: &str) -> Self {
        let (mut line, mut column) = (0i64, 0i64);
        let lines = mappings
            .split(';')
            .map(|generated| {
                let mut generated_column = 0i64;
                let mut segments = Vec::new();
                for segment in generated.split(',') {
                    let fields = decode_vlq(segment);
                    generated_column += fields.first().copied().unwrap_or(0);
                    if let [_, _, line_delta, column_delta, ..] = fields[..] {
                        line += line_delta;
                        column += column_delta;
                        segments.push(Segment {
                            generated_column: clamp(generated_column),
                            line: clamp(line),
                            column: clamp(column),
                        });
                    }
                }
                segments
            })
            .collect();
        Self { lines }
    }

    /// The user's line and column for a generated one, all counted from 1.
    pub fn original(&self, line: u32, column: u32) -> (u32, u32) {
        let wanted = column.saturating_sub(1);
        let on_line = self.lines.get(line.saturating_sub(1) as usize);
        let found = on_line.and_then(|segments| {
            let after = segments.partition_point(|segment| segment.generated_column <= wanted);
            segments.get(after.saturating_sub(1))
        });
        match found {
            Some(segment) => (segment.line + 1, segment.column + 1),
            None => (line, column),
        }
    }
}

fn clamp(value: i64) -> u32 {
    value.clamp(0, i64::from(u32::MAX - 1)) as u32
}

fn decode_vlq(segment: &str) -> Vec<i64> {
    let mut fields = Vec::with_capacity(5);
    let (mut value, mut shift) = (0i64, 0u32);
    for byte in segment.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return fields,
        };
        if shift > 30 {
            return fields;
        }
        value |= i64::from(digit & 31) << shift;
        if digit & 32 != 0 {
            shift += 5;
        } else {
            fields.push(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
            (value, shift) = (0, 0);
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_segment_at_or_before_a_position() {
        // Line 1: columns 0 and 6 of line 1; line 2: column 2 of line 4.
        let map = SourceMap::decode("AAAA,MAAM;AAGJ");
        assert_eq!(map.original(1, 1), (1, 1));
        assert_eq!(map.original(1, 9), (1, 7));
        assert_eq!(map.original(2, 3), (4, 3));
        assert_eq!(map.original(9, 3), (9, 3));
    }

    #[test]
    fn nonsense_is_left_out() {
        for mappings in ["", ";;;", "!!!", "gggggggggggggggg", "AAAA,////////////"] {
            SourceMap::decode(mappings).original(1, 1);
        }
    }
}
