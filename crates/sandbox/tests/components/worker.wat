;; What is around a worker's own module: the interfaces that it may import, and the wiring that `wit-component` makes. The
;; module itself is put in its place by `guest.rs`.
(component
  (type $ty-doer:platform/common@0.1.0
    (instance
      (type (option u64))
      (type (record (field "name" string) (field "message" string) (field "code" string) (field "retry-after-ms" 0)))
      (export "error" (type (eq 1)))
      (type string)
      (export "json" (type (eq 3)))
    )
  )
  (import "doer:platform/common@0.1.0" (instance $doer:platform/common@0.1.0 (type $ty-doer:platform/common@0.1.0)))
  (alias export $doer:platform/common@0.1.0 "error" (type $error))
  (alias export $doer:platform/common@0.1.0 "json" (type $json))
  (type $ty-doer:platform/db@0.1.0
    (instance
      (type (enum "public" "private" "unlisted"))
      (export "visibility" (type (eq 0)))
      (type (option string))
      (type (option 1))
      (type (record (field "type" 2) (field "visibility" 3)))
      (export "count-options" (type (eq 4)))
      (alias outer 1 $error (type))
      (export "error" (type (eq 6)))
      (alias outer 1 $json (type))
      (export "json" (type (eq 8)))
      (type (record (field "ns" string) (field "id" string) (field "type" 2) (field "data" 9) (field "visibility" 1) (field "created-at" u64) (field "updated-at" u64)))
      (export "thing" (type (eq 10)))
      (type (list 9))
      (type (list string))
      (type (option s64))
      (type (record (field "rows" 12) (field "columns" 13) (field "changes" u64) (field "last-insert-rowid" 14)))
      (export "rows" (type (eq 15)))
      (type (record (field "type" 2) (field "visibility" 3)))
      (export "upsert-options" (type (eq 17)))
      (type (option 12))
      (type (result 16 (error 7)))
      (type (func (param "sql" string) (param "params" 19) (result 20)))
      (export "query" (func (type 21)))
      (type (option 11))
      (type (result 22 (error 7)))
      (type (func (param "ns" string) (param "id" string) (result 23)))
      (export "get" (func (type 24)))
      (type (option 18))
      (type (result 11 (error 7)))
      (type (func (param "ns" string) (param "id" string) (param "data" 9) (param "options" 25) (result 26)))
      (export "upsert" (func (type 27)))
      (type (option 5))
      (type (result u64 (error 7)))
      (type (func (param "ns" string) (param "options" 28) (result 29)))
      (export "count" (func (type 30)))
    )
  )
  (import "doer:platform/db@0.1.0" (instance $doer:platform/db@0.1.0 (type $ty-doer:platform/db@0.1.0)))
  (type $ty-wasi:io/poll@0.2.10
    (instance
      (export "pollable" (type (sub resource)))
      (type (borrow 0))
      (type (func (param "self" 1)))
      (export "[method]pollable.block" (func (type 2)))
    )
  )
  (import "wasi:io/poll@0.2.10" (instance $wasi:io/poll@0.2.10 (type $ty-wasi:io/poll@0.2.10)))
  (alias export $wasi:io/poll@0.2.10 "pollable" (type $pollable))
  (type $ty-wasi:clocks/monotonic-clock@0.2.10
    (instance
      (type u64)
      (export "duration" (type (eq 0)))
      (alias outer 1 $pollable (type))
      (export "pollable" (type (eq 2)))
      (type (own 3))
      (type (func (param "when" 1) (result 4)))
      (export "subscribe-duration" (func (type 5)))
    )
  )
  (import "wasi:clocks/monotonic-clock@0.2.10" (instance $wasi:clocks/monotonic-clock@0.2.10 (type $ty-wasi:clocks/monotonic-clock@0.2.10)))
  (type $ty-wasi:io/error@0.2.10
    (instance
      (export "error" (type (sub resource)))
    )
  )
  (import "wasi:io/error@0.2.10" (instance $wasi:io/error@0.2.10 (type $ty-wasi:io/error@0.2.10)))
  (alias export $wasi:io/error@0.2.10 "error" (type $"#type8 error" (@name "error")))
  (type $ty-wasi:io/streams@0.2.10
    (instance
      (export "output-stream" (type (sub resource)))
      (alias outer 1 $"#type8 error" (type))
      (export "error" (type (eq 1)))
      (type (own 2))
      (type (variant (case "last-operation-failed" 3) (case "closed")))
      (export "stream-error" (type (eq 4)))
      (export "input-stream" (type (sub resource)))
      (type (borrow 6))
      (type (list u8))
      (type (result 8 (error 5)))
      (type (func (param "self" 7) (param "len" u64) (result 9)))
      (export "[method]input-stream.blocking-read" (func (type 10)))
      (type (borrow 0))
      (type (result (error 5)))
      (type (func (param "self" 11) (param "contents" 8) (result 12)))
      (export "[method]output-stream.blocking-write-and-flush" (func (type 13)))
    )
  )
  (import "wasi:io/streams@0.2.10" (instance $wasi:io/streams@0.2.10 (type $ty-wasi:io/streams@0.2.10)))
  (alias export $wasi:io/streams@0.2.10 "output-stream" (type $output-stream))
  (type $ty-wasi:cli/stdout@0.2.10
    (instance
      (alias outer 1 $output-stream (type))
      (export "output-stream" (type (eq 0)))
      (type (own 1))
      (type (func (result 2)))
      (export "get-stdout" (func (type 3)))
    )
  )
  (import "wasi:cli/stdout@0.2.10" (instance $wasi:cli/stdout@0.2.10 (type $ty-wasi:cli/stdout@0.2.10)))
  (alias export $wasi:io/streams@0.2.10 "output-stream" (type $"#type12 output-stream" (@name "output-stream")))
  (type $ty-wasi:cli/stderr@0.2.10
    (instance
      (alias outer 1 $"#type12 output-stream" (type))
      (export "output-stream" (type (eq 0)))
      (type (own 1))
      (type (func (result 2)))
      (export "get-stderr" (func (type 3)))
    )
  )
  (import "wasi:cli/stderr@0.2.10" (instance $wasi:cli/stderr@0.2.10 (type $ty-wasi:cli/stderr@0.2.10)))
  (alias export $wasi:io/streams@0.2.10 "output-stream" (type $"#type14 output-stream" (@name "output-stream")))
  (alias export $wasi:io/streams@0.2.10 "input-stream" (type $input-stream))
  (alias export $wasi:io/poll@0.2.10 "pollable" (type $"#type16 pollable" (@name "pollable")))
  (type $ty-wasi:http/types@0.2.10
    (instance
      (export "fields" (type (sub resource)))
      (type string)
      (export "field-key" (type (eq 1)))
      (export "field-name" (type (eq 2)))
      (type (list u8))
      (export "field-value" (type (eq 4)))
      (type (variant (case "invalid-syntax") (case "forbidden") (case "immutable")))
      (export "header-error" (type (eq 6)))
      (export "headers" (type (eq 0)))
      (export "outgoing-response" (type (sub resource)))
      (type u16)
      (export "status-code" (type (eq 10)))
      (export "outgoing-body" (type (sub resource)))
      (export "response-outparam" (type (sub resource)))
      (type (option string))
      (type (option u16))
      (type (record (field "rcode" 14) (field "info-code" 15)))
      (export "DNS-error-payload" (type (eq 16)))
      (type (option u8))
      (type (record (field "alert-id" 18) (field "alert-message" 14)))
      (export "TLS-alert-received-payload" (type (eq 19)))
      (type (option u32))
      (type (record (field "field-name" 14) (field "field-size" 21)))
      (export "field-size-payload" (type (eq 22)))
      (type (option u64))
      (type (option 23))
      (type (variant (case "DNS-timeout") (case "DNS-error" 17) (case "destination-not-found") (case "destination-unavailable") (case "destination-IP-prohibited") (case "destination-IP-unroutable") (case "connection-refused") (case "connection-terminated") (case "connection-timeout") (case "connection-read-timeout") (case "connection-write-timeout") (case "connection-limit-reached") (case "TLS-protocol-error") (case "TLS-certificate-error") (case "TLS-alert-received" 20) (case "HTTP-request-denied") (case "HTTP-request-length-required") (case "HTTP-request-body-size" 24) (case "HTTP-request-method-invalid") (case "HTTP-request-URI-invalid") (case "HTTP-request-URI-too-long") (case "HTTP-request-header-section-size" 21) (case "HTTP-request-header-size" 25) (case "HTTP-request-trailer-section-size" 21) (case "HTTP-request-trailer-size" 23) (case "HTTP-response-incomplete") (case "HTTP-response-header-section-size" 21) (case "HTTP-response-header-size" 23) (case "HTTP-response-body-size" 24) (case "HTTP-response-trailer-section-size" 21) (case "HTTP-response-trailer-size" 23) (case "HTTP-response-transfer-coding" 14) (case "HTTP-response-content-coding" 14) (case "HTTP-response-timeout") (case "HTTP-upgrade-failed") (case "HTTP-protocol-error") (case "loop-detected") (case "configuration-error") (case "internal-error" 14)))
      (export "error-code" (type (eq 26)))
      (alias outer 1 $"#type14 output-stream" (type))
      (export "output-stream" (type (eq 28)))
      (export "trailers" (type (eq 0)))
      (export "incoming-request" (type (sub resource)))
      (export "incoming-body" (type (sub resource)))
      (alias outer 1 $input-stream (type))
      (export "input-stream" (type (eq 33)))
      (export "outgoing-request" (type (sub resource)))
      (type (variant (case "get") (case "head") (case "post") (case "put") (case "delete") (case "connect") (case "options") (case "trace") (case "patch") (case "other" string)))
      (export "method" (type (eq 36)))
      (type (variant (case "HTTP") (case "HTTPS") (case "other" string)))
      (export "scheme" (type (eq 38)))
      (export "future-incoming-response" (type (sub resource)))
      (alias outer 1 $"#type16 pollable" (type))
      (export "pollable" (type (eq 41)))
      (export "incoming-response" (type (sub resource)))
      (export "request-options" (type (sub resource)))
      (type (own 0))
      (type (func (result 45)))
      (export "[constructor]fields" (func (type 46)))
      (type (borrow 0))
      (type (result (error 7)))
      (type (func (param "self" 47) (param "name" 3) (param "value" 5) (result 48)))
      (export "[method]fields.append" (func (type 49)))
      (type (borrow 31))
      (type (func (param "self" 50) (result 14)))
      (export "[method]incoming-request.path-with-query" (func (type 51)))
      (type (own 32))
      (type (result 52))
      (type (func (param "self" 50) (result 53)))
      (export "[method]incoming-request.consume" (func (type 54)))
      (type (own 8))
      (type (own 35))
      (type (func (param "headers" 55) (result 56)))
      (export "[constructor]outgoing-request" (func (type 57)))
      (type (borrow 35))
      (type (own 12))
      (type (result 59))
      (type (func (param "self" 58) (result 60)))
      (export "[method]outgoing-request.body" (func (type 61)))
      (type (result))
      (type (func (param "self" 58) (param "method" 37) (result 62)))
      (export "[method]outgoing-request.set-method" (func (type 63)))
      (type (func (param "self" 58) (param "path-with-query" 14) (result 62)))
      (export "[method]outgoing-request.set-path-with-query" (func (type 64)))
      (type (option 39))
      (type (func (param "self" 58) (param "scheme" 65) (result 62)))
      (export "[method]outgoing-request.set-scheme" (func (type 66)))
      (type (func (param "self" 58) (param "authority" 14) (result 62)))
      (export "[method]outgoing-request.set-authority" (func (type 67)))
      (type (own 13))
      (type (own 9))
      (type (result 69 (error 27)))
      (type (func (param "param" 68) (param "response" 70)))
      (export "[static]response-outparam.set" (func (type 71)))
      (type (borrow 43))
      (type (func (param "self" 72) (result 11)))
      (export "[method]incoming-response.status" (func (type 73)))
      (type (func (param "self" 72) (result 53)))
      (export "[method]incoming-response.consume" (func (type 74)))
      (type (borrow 32))
      (type (own 34))
      (type (result 76))
      (type (func (param "self" 75) (result 77)))
      (export "[method]incoming-body.stream" (func (type 78)))
      (type (func (param "headers" 55) (result 69)))
      (export "[constructor]outgoing-response" (func (type 79)))
      (type (borrow 9))
      (type (func (param "self" 80) (param "status-code" 11) (result 62)))
      (export "[method]outgoing-response.set-status-code" (func (type 81)))
      (type (func (param "self" 80) (result 60)))
      (export "[method]outgoing-response.body" (func (type 82)))
      (type (borrow 12))
      (type (own 29))
      (type (result 84))
      (type (func (param "self" 83) (result 85)))
      (export "[method]outgoing-body.write" (func (type 86)))
      (type (own 30))
      (type (option 87))
      (type (result (error 27)))
      (type (func (param "this" 59) (param "trailers" 88) (result 89)))
      (export "[static]outgoing-body.finish" (func (type 90)))
      (type (borrow 40))
      (type (own 42))
      (type (func (param "self" 91) (result 92)))
      (export "[method]future-incoming-response.subscribe" (func (type 93)))
      (type (own 43))
      (type (result 94 (error 27)))
      (type (result 95))
      (type (option 96))
      (type (func (param "self" 91) (result 97)))
      (export "[method]future-incoming-response.get" (func (type 98)))
    )
  )
  (import "wasi:http/types@0.2.10" (instance $wasi:http/types@0.2.10 (type $ty-wasi:http/types@0.2.10)))
  (alias export $wasi:http/types@0.2.10 "outgoing-request" (type $outgoing-request))
  (alias export $wasi:http/types@0.2.10 "request-options" (type $request-options))
  (alias export $wasi:http/types@0.2.10 "future-incoming-response" (type $future-incoming-response))
  (alias export $wasi:http/types@0.2.10 "error-code" (type $error-code))
  (type $ty-wasi:http/outgoing-handler@0.2.10
    (instance
      (alias outer 1 $outgoing-request (type))
      (export "outgoing-request" (type (eq 0)))
      (alias outer 1 $request-options (type))
      (export "request-options" (type (eq 2)))
      (alias outer 1 $future-incoming-response (type))
      (export "future-incoming-response" (type (eq 4)))
      (alias outer 1 $error-code (type))
      (export "error-code" (type (eq 6)))
      (type (own 1))
      (type (own 3))
      (type (option 9))
      (type (own 5))
      (type (result 11 (error 7)))
      (type (func (param "request" 8) (param "options" 10) (result 12)))
      (export "handle" (func (type 13)))
    )
  )
  (import "wasi:http/outgoing-handler@0.2.10" (instance $wasi:http/outgoing-handler@0.2.10 (type $ty-wasi:http/outgoing-handler@0.2.10)))
  (core module $main)
  (core module $wit-component-shim-module
    (type (func (param i32 i32 i32 i32)))
    (type (func (param i32 i64 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32)))
    (type (func (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32) (result i32)))
    (type (func (param i32 i32 i32 i32 i32) (result i32)))
    (table 22 22 funcref)
    (export "0" (func 0))
    (export "1" (func 1))
    (export "2" (func 2))
    (export "3" (func 3))
    (export "4" (func 4))
    (export "5" (func 5))
    (export "6" (func 6))
    (export "7" (func 7))
    (export "8" (func 8))
    (export "9" (func 9))
    (export "10" (func 10))
    (export "11" (func 11))
    (export "12" (func 12))
    (export "13" (func 13))
    (export "14" (func 14))
    (export "15" (func 15))
    (export "16" (func 16))
    (export "17" (func 17))
    (export "18" (func 18))
    (export "19" (func 19))
    (export "20" (func 20))
    (export "21" (func 21))
    (export "$imports" (table 0))
    (func (type 0) (param i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      i32.const 0
      call_indirect (type 0)
    )
    (func (type 1) (param i32 i64 i32)
      local.get 0
      local.get 1
      local.get 2
      i32.const 1
      call_indirect (type 1)
    )
    (func (type 2) (param i32 i32 i32 i32 i32 i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      local.get 4
      local.get 5
      local.get 6
      local.get 7
      local.get 8
      i32.const 2
      call_indirect (type 2)
    )
    (func (type 3) (param i32 i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      local.get 4
      i32.const 3
      call_indirect (type 3)
    )
    (func (type 4) (param i32 i32 i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      local.get 4
      local.get 5
      i32.const 4
      call_indirect (type 4)
    )
    (func (type 5) (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      local.get 4
      local.get 5
      local.get 6
      local.get 7
      local.get 8
      local.get 9
      local.get 10
      local.get 11
      local.get 12
      i32.const 5
      call_indirect (type 5)
    )
    (func (type 6) (param i32 i32 i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      local.get 4
      local.get 5
      i32.const 6
      call_indirect (type 6)
    )
    (func (type 7) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 7
      call_indirect (type 7)
    )
    (func (type 8) (param i32 i32 i32 i32 i64 i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      local.get 4
      local.get 5
      local.get 6
      local.get 7
      local.get 8
      i32.const 8
      call_indirect (type 8)
    )
    (func (type 7) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 9
      call_indirect (type 7)
    )
    (func (type 9) (param i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      i32.const 10
      call_indirect (type 9)
    )
    (func (type 7) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 11
      call_indirect (type 7)
    )
    (func (type 7) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 12
      call_indirect (type 7)
    )
    (func (type 7) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 13
      call_indirect (type 7)
    )
    (func (type 10) (param i32 i32 i32 i32) (result i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      i32.const 14
      call_indirect (type 10)
    )
    (func (type 11) (param i32 i32 i32 i32 i32) (result i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      local.get 4
      i32.const 15
      call_indirect (type 11)
    )
    (func (type 10) (param i32 i32 i32 i32) (result i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      i32.const 16
      call_indirect (type 10)
    )
    (func (type 10) (param i32 i32 i32 i32) (result i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      i32.const 17
      call_indirect (type 10)
    )
    (func (type 7) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 18
      call_indirect (type 7)
    )
    (func (type 7) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 19
      call_indirect (type 7)
    )
    (func (type 7) (param i32 i32)
      local.get 0
      local.get 1
      i32.const 20
      call_indirect (type 7)
    )
    (func (type 9) (param i32 i32 i32 i32)
      local.get 0
      local.get 1
      local.get 2
      local.get 3
      i32.const 21
      call_indirect (type 9)
    )
  )
  (core module $wit-component-fixup
    (type (func (param i32 i32 i32 i32)))
    (type (func (param i32 i64 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32)))
    (type (func (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32) (result i32)))
    (type (func (param i32 i32 i32 i32 i32) (result i32)))
    (import "" "0" (func (type 0)))
    (import "" "1" (func (type 1)))
    (import "" "2" (func (type 2)))
    (import "" "3" (func (type 3)))
    (import "" "4" (func (type 4)))
    (import "" "5" (func (type 5)))
    (import "" "6" (func (type 6)))
    (import "" "7" (func (type 7)))
    (import "" "8" (func (type 8)))
    (import "" "9" (func (type 7)))
    (import "" "10" (func (type 9)))
    (import "" "11" (func (type 7)))
    (import "" "12" (func (type 7)))
    (import "" "13" (func (type 7)))
    (import "" "14" (func (type 10)))
    (import "" "15" (func (type 11)))
    (import "" "16" (func (type 10)))
    (import "" "17" (func (type 10)))
    (import "" "18" (func (type 7)))
    (import "" "19" (func (type 7)))
    (import "" "20" (func (type 7)))
    (import "" "21" (func (type 9)))
    (import "" "$imports" (table 22 22 funcref))
    (elem (i32.const 0) func 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21)
  )
  (core instance $wit-component-shim-instance (instantiate $wit-component-shim-module))
  (alias export $wasi:http/types@0.2.10 "incoming-request" (type $incoming-request))
  (alias export $wasi:http/types@0.2.10 "response-outparam" (type $response-outparam))
  (alias core export $wit-component-shim-instance "0" (core func $"indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush"))
  (alias core export $wit-component-shim-instance "1" (core func $"indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read"))
  (alias export $wasi:io/streams@0.2.10 "output-stream" (type $"#type25 output-stream" (@name "output-stream")))
  (core func $resource.drop (canon resource.drop $"#type25 output-stream"))
  (alias export $wasi:io/streams@0.2.10 "input-stream" (type $"#type26 input-stream" (@name "input-stream")))
  (core func $"#core-func3 resource.drop" (@name "resource.drop") (canon resource.drop $"#type26 input-stream"))
  (core instance $wasi:io/streams@0.2.10
    (export "[method]output-stream.blocking-write-and-flush" (func $"indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush"))
    (export "[method]input-stream.blocking-read" (func $"indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read"))
    (export "[resource-drop]output-stream" (func $resource.drop))
    (export "[resource-drop]input-stream" (func $"#core-func3 resource.drop"))
  )
  (alias export $wasi:io/poll@0.2.10 "[method]pollable.block" (func $"[method]pollable.block"))
  (core func $"[method]pollable.block" (canon lower (func $"[method]pollable.block")))
  (alias export $wasi:io/poll@0.2.10 "pollable" (type $"#type27 pollable" (@name "pollable")))
  (core func $"#core-func5 resource.drop" (@name "resource.drop") (canon resource.drop $"#type27 pollable"))
  (core instance $wasi:io/poll@0.2.10
    (export "[method]pollable.block" (func $"[method]pollable.block"))
    (export "[resource-drop]pollable" (func $"#core-func5 resource.drop"))
  )
  (alias export $wasi:cli/stdout@0.2.10 "get-stdout" (func $get-stdout))
  (core func $get-stdout (canon lower (func $get-stdout)))
  (core instance $wasi:cli/stdout@0.2.10
    (export "get-stdout" (func $get-stdout))
  )
  (alias export $wasi:cli/stderr@0.2.10 "get-stderr" (func $get-stderr))
  (core func $get-stderr (canon lower (func $get-stderr)))
  (core instance $wasi:cli/stderr@0.2.10
    (export "get-stderr" (func $get-stderr))
  )
  (alias export $wasi:clocks/monotonic-clock@0.2.10 "subscribe-duration" (func $subscribe-duration))
  (core func $subscribe-duration (canon lower (func $subscribe-duration)))
  (core instance $wasi:clocks/monotonic-clock@0.2.10
    (export "subscribe-duration" (func $subscribe-duration))
  )
  (alias core export $wit-component-shim-instance "2" (core func $indirect-doer:platform/db@0.1.0-count))
  (alias core export $wit-component-shim-instance "3" (core func $indirect-doer:platform/db@0.1.0-get))
  (alias core export $wit-component-shim-instance "4" (core func $indirect-doer:platform/db@0.1.0-query))
  (alias core export $wit-component-shim-instance "5" (core func $indirect-doer:platform/db@0.1.0-upsert))
  (core instance $doer:platform/db@0.1.0
    (export "count" (func $indirect-doer:platform/db@0.1.0-count))
    (export "get" (func $indirect-doer:platform/db@0.1.0-get))
    (export "query" (func $indirect-doer:platform/db@0.1.0-query))
    (export "upsert" (func $indirect-doer:platform/db@0.1.0-upsert))
  )
  (alias export $wasi:http/types@0.2.10 "[constructor]fields" (func $"[constructor]fields"))
  (core func $"[constructor]fields" (canon lower (func $"[constructor]fields")))
  (alias core export $wit-component-shim-instance "6" (core func $"indirect-wasi:http/types@0.2.10-[method]fields.append"))
  (alias export $wasi:http/types@0.2.10 "[constructor]outgoing-response" (func $"[constructor]outgoing-response"))
  (core func $"[constructor]outgoing-response" (canon lower (func $"[constructor]outgoing-response")))
  (alias export $wasi:http/types@0.2.10 "[method]outgoing-response.set-status-code" (func $"[method]outgoing-response.set-status-code"))
  (core func $"[method]outgoing-response.set-status-code" (canon lower (func $"[method]outgoing-response.set-status-code")))
  (alias core export $wit-component-shim-instance "7" (core func $"indirect-wasi:http/types@0.2.10-[method]outgoing-response.body"))
  (alias core export $wit-component-shim-instance "8" (core func $"indirect-wasi:http/types@0.2.10-[static]response-outparam.set"))
  (alias core export $wit-component-shim-instance "9" (core func $"indirect-wasi:http/types@0.2.10-[method]outgoing-body.write"))
  (alias core export $wit-component-shim-instance "10" (core func $"indirect-wasi:http/types@0.2.10-[static]outgoing-body.finish"))
  (alias core export $wit-component-shim-instance "11" (core func $"indirect-wasi:http/types@0.2.10-[method]incoming-request.consume"))
  (alias core export $wit-component-shim-instance "12" (core func $"indirect-wasi:http/types@0.2.10-[method]incoming-request.path-with-query"))
  (alias core export $wit-component-shim-instance "13" (core func $"indirect-wasi:http/types@0.2.10-[method]incoming-body.stream"))
  (alias export $wasi:http/types@0.2.10 "[constructor]outgoing-request" (func $"[constructor]outgoing-request"))
  (core func $"[constructor]outgoing-request" (canon lower (func $"[constructor]outgoing-request")))
  (alias core export $wit-component-shim-instance "14" (core func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-method"))
  (alias core export $wit-component-shim-instance "15" (core func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-scheme"))
  (alias core export $wit-component-shim-instance "16" (core func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-authority"))
  (alias core export $wit-component-shim-instance "17" (core func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-path-with-query"))
  (alias core export $wit-component-shim-instance "18" (core func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.body"))
  (alias export $wasi:http/types@0.2.10 "[method]future-incoming-response.subscribe" (func $"[method]future-incoming-response.subscribe"))
  (core func $"[method]future-incoming-response.subscribe" (canon lower (func $"[method]future-incoming-response.subscribe")))
  (alias core export $wit-component-shim-instance "19" (core func $"indirect-wasi:http/types@0.2.10-[method]future-incoming-response.get"))
  (alias export $wasi:http/types@0.2.10 "[method]incoming-response.status" (func $"[method]incoming-response.status"))
  (core func $"[method]incoming-response.status" (canon lower (func $"[method]incoming-response.status")))
  (alias core export $wit-component-shim-instance "20" (core func $"indirect-wasi:http/types@0.2.10-[method]incoming-response.consume"))
  (core instance $wasi:http/types@0.2.10
    (export "[constructor]fields" (func $"[constructor]fields"))
    (export "[method]fields.append" (func $"indirect-wasi:http/types@0.2.10-[method]fields.append"))
    (export "[constructor]outgoing-response" (func $"[constructor]outgoing-response"))
    (export "[method]outgoing-response.set-status-code" (func $"[method]outgoing-response.set-status-code"))
    (export "[method]outgoing-response.body" (func $"indirect-wasi:http/types@0.2.10-[method]outgoing-response.body"))
    (export "[static]response-outparam.set" (func $"indirect-wasi:http/types@0.2.10-[static]response-outparam.set"))
    (export "[method]outgoing-body.write" (func $"indirect-wasi:http/types@0.2.10-[method]outgoing-body.write"))
    (export "[static]outgoing-body.finish" (func $"indirect-wasi:http/types@0.2.10-[static]outgoing-body.finish"))
    (export "[method]incoming-request.consume" (func $"indirect-wasi:http/types@0.2.10-[method]incoming-request.consume"))
    (export "[method]incoming-request.path-with-query" (func $"indirect-wasi:http/types@0.2.10-[method]incoming-request.path-with-query"))
    (export "[method]incoming-body.stream" (func $"indirect-wasi:http/types@0.2.10-[method]incoming-body.stream"))
    (export "[constructor]outgoing-request" (func $"[constructor]outgoing-request"))
    (export "[method]outgoing-request.set-method" (func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-method"))
    (export "[method]outgoing-request.set-scheme" (func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-scheme"))
    (export "[method]outgoing-request.set-authority" (func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-authority"))
    (export "[method]outgoing-request.set-path-with-query" (func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-path-with-query"))
    (export "[method]outgoing-request.body" (func $"indirect-wasi:http/types@0.2.10-[method]outgoing-request.body"))
    (export "[method]future-incoming-response.subscribe" (func $"[method]future-incoming-response.subscribe"))
    (export "[method]future-incoming-response.get" (func $"indirect-wasi:http/types@0.2.10-[method]future-incoming-response.get"))
    (export "[method]incoming-response.status" (func $"[method]incoming-response.status"))
    (export "[method]incoming-response.consume" (func $"indirect-wasi:http/types@0.2.10-[method]incoming-response.consume"))
  )
  (alias core export $wit-component-shim-instance "21" (core func $indirect-wasi:http/outgoing-handler@0.2.10-handle))
  (core instance $wasi:http/outgoing-handler@0.2.10
    (export "handle" (func $indirect-wasi:http/outgoing-handler@0.2.10-handle))
  )
  (core instance $main (instantiate $main
      (with "wasi:io/streams@0.2.10" (instance $wasi:io/streams@0.2.10))
      (with "wasi:io/poll@0.2.10" (instance $wasi:io/poll@0.2.10))
      (with "wasi:cli/stdout@0.2.10" (instance $wasi:cli/stdout@0.2.10))
      (with "wasi:cli/stderr@0.2.10" (instance $wasi:cli/stderr@0.2.10))
      (with "wasi:clocks/monotonic-clock@0.2.10" (instance $wasi:clocks/monotonic-clock@0.2.10))
      (with "doer:platform/db@0.1.0" (instance $doer:platform/db@0.1.0))
      (with "wasi:http/types@0.2.10" (instance $wasi:http/types@0.2.10))
      (with "wasi:http/outgoing-handler@0.2.10" (instance $wasi:http/outgoing-handler@0.2.10))
    )
  )
  (alias core export $main "memory" (core memory $memory))
  (alias core export $wit-component-shim-instance "$imports" (core table $"shim table"))
  (alias export $wasi:io/streams@0.2.10 "[method]output-stream.blocking-write-and-flush" (func $"[method]output-stream.blocking-write-and-flush"))
  (alias core export $main "cabi_realloc" (core func $realloc))
  (core func $"#core-func36 indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush" (@name "indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush") (canon lower (func $"[method]output-stream.blocking-write-and-flush") (memory $memory)))
  (alias export $wasi:io/streams@0.2.10 "[method]input-stream.blocking-read" (func $"[method]input-stream.blocking-read"))
  (core func $"#core-func37 indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read" (@name "indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read") (canon lower (func $"[method]input-stream.blocking-read") (memory $memory) (realloc $realloc)))
  (alias export $doer:platform/db@0.1.0 "count" (func $count))
  (core func $"#core-func38 indirect-doer:platform/db@0.1.0-count" (@name "indirect-doer:platform/db@0.1.0-count") (canon lower (func $count) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $doer:platform/db@0.1.0 "get" (func $get))
  (core func $"#core-func39 indirect-doer:platform/db@0.1.0-get" (@name "indirect-doer:platform/db@0.1.0-get") (canon lower (func $get) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $doer:platform/db@0.1.0 "query" (func $query))
  (core func $"#core-func40 indirect-doer:platform/db@0.1.0-query" (@name "indirect-doer:platform/db@0.1.0-query") (canon lower (func $query) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $doer:platform/db@0.1.0 "upsert" (func $upsert))
  (core func $"#core-func41 indirect-doer:platform/db@0.1.0-upsert" (@name "indirect-doer:platform/db@0.1.0-upsert") (canon lower (func $upsert) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]fields.append" (func $"[method]fields.append"))
  (core func $"#core-func42 indirect-wasi:http/types@0.2.10-[method]fields.append" (@name "indirect-wasi:http/types@0.2.10-[method]fields.append") (canon lower (func $"[method]fields.append") (memory $memory) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]outgoing-response.body" (func $"[method]outgoing-response.body"))
  (core func $"#core-func43 indirect-wasi:http/types@0.2.10-[method]outgoing-response.body" (@name "indirect-wasi:http/types@0.2.10-[method]outgoing-response.body") (canon lower (func $"[method]outgoing-response.body") (memory $memory)))
  (alias export $wasi:http/types@0.2.10 "[static]response-outparam.set" (func $"[static]response-outparam.set"))
  (core func $"#core-func44 indirect-wasi:http/types@0.2.10-[static]response-outparam.set" (@name "indirect-wasi:http/types@0.2.10-[static]response-outparam.set") (canon lower (func $"[static]response-outparam.set") (memory $memory) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]outgoing-body.write" (func $"[method]outgoing-body.write"))
  (core func $"#core-func45 indirect-wasi:http/types@0.2.10-[method]outgoing-body.write" (@name "indirect-wasi:http/types@0.2.10-[method]outgoing-body.write") (canon lower (func $"[method]outgoing-body.write") (memory $memory)))
  (alias export $wasi:http/types@0.2.10 "[static]outgoing-body.finish" (func $"[static]outgoing-body.finish"))
  (core func $"#core-func46 indirect-wasi:http/types@0.2.10-[static]outgoing-body.finish" (@name "indirect-wasi:http/types@0.2.10-[static]outgoing-body.finish") (canon lower (func $"[static]outgoing-body.finish") (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]incoming-request.consume" (func $"[method]incoming-request.consume"))
  (core func $"#core-func47 indirect-wasi:http/types@0.2.10-[method]incoming-request.consume" (@name "indirect-wasi:http/types@0.2.10-[method]incoming-request.consume") (canon lower (func $"[method]incoming-request.consume") (memory $memory)))
  (alias export $wasi:http/types@0.2.10 "[method]incoming-request.path-with-query" (func $"[method]incoming-request.path-with-query"))
  (core func $"#core-func48 indirect-wasi:http/types@0.2.10-[method]incoming-request.path-with-query" (@name "indirect-wasi:http/types@0.2.10-[method]incoming-request.path-with-query") (canon lower (func $"[method]incoming-request.path-with-query") (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]incoming-body.stream" (func $"[method]incoming-body.stream"))
  (core func $"#core-func49 indirect-wasi:http/types@0.2.10-[method]incoming-body.stream" (@name "indirect-wasi:http/types@0.2.10-[method]incoming-body.stream") (canon lower (func $"[method]incoming-body.stream") (memory $memory)))
  (alias export $wasi:http/types@0.2.10 "[method]outgoing-request.set-method" (func $"[method]outgoing-request.set-method"))
  (core func $"#core-func50 indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-method" (@name "indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-method") (canon lower (func $"[method]outgoing-request.set-method") (memory $memory) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]outgoing-request.set-scheme" (func $"[method]outgoing-request.set-scheme"))
  (core func $"#core-func51 indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-scheme" (@name "indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-scheme") (canon lower (func $"[method]outgoing-request.set-scheme") (memory $memory) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]outgoing-request.set-authority" (func $"[method]outgoing-request.set-authority"))
  (core func $"#core-func52 indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-authority" (@name "indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-authority") (canon lower (func $"[method]outgoing-request.set-authority") (memory $memory) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]outgoing-request.set-path-with-query" (func $"[method]outgoing-request.set-path-with-query"))
  (core func $"#core-func53 indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-path-with-query" (@name "indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-path-with-query") (canon lower (func $"[method]outgoing-request.set-path-with-query") (memory $memory) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]outgoing-request.body" (func $"[method]outgoing-request.body"))
  (core func $"#core-func54 indirect-wasi:http/types@0.2.10-[method]outgoing-request.body" (@name "indirect-wasi:http/types@0.2.10-[method]outgoing-request.body") (canon lower (func $"[method]outgoing-request.body") (memory $memory)))
  (alias export $wasi:http/types@0.2.10 "[method]future-incoming-response.get" (func $"[method]future-incoming-response.get"))
  (core func $"#core-func55 indirect-wasi:http/types@0.2.10-[method]future-incoming-response.get" (@name "indirect-wasi:http/types@0.2.10-[method]future-incoming-response.get") (canon lower (func $"[method]future-incoming-response.get") (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $wasi:http/types@0.2.10 "[method]incoming-response.consume" (func $"[method]incoming-response.consume"))
  (core func $"#core-func56 indirect-wasi:http/types@0.2.10-[method]incoming-response.consume" (@name "indirect-wasi:http/types@0.2.10-[method]incoming-response.consume") (canon lower (func $"[method]incoming-response.consume") (memory $memory)))
  (alias export $wasi:http/outgoing-handler@0.2.10 "handle" (func $handle))
  (core func $"#core-func57 indirect-wasi:http/outgoing-handler@0.2.10-handle" (@name "indirect-wasi:http/outgoing-handler@0.2.10-handle") (canon lower (func $handle) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (core instance $fixup-args
    (export "$imports" (table $"shim table"))
    (export "0" (func $"#core-func36 indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush"))
    (export "1" (func $"#core-func37 indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read"))
    (export "2" (func $"#core-func38 indirect-doer:platform/db@0.1.0-count"))
    (export "3" (func $"#core-func39 indirect-doer:platform/db@0.1.0-get"))
    (export "4" (func $"#core-func40 indirect-doer:platform/db@0.1.0-query"))
    (export "5" (func $"#core-func41 indirect-doer:platform/db@0.1.0-upsert"))
    (export "6" (func $"#core-func42 indirect-wasi:http/types@0.2.10-[method]fields.append"))
    (export "7" (func $"#core-func43 indirect-wasi:http/types@0.2.10-[method]outgoing-response.body"))
    (export "8" (func $"#core-func44 indirect-wasi:http/types@0.2.10-[static]response-outparam.set"))
    (export "9" (func $"#core-func45 indirect-wasi:http/types@0.2.10-[method]outgoing-body.write"))
    (export "10" (func $"#core-func46 indirect-wasi:http/types@0.2.10-[static]outgoing-body.finish"))
    (export "11" (func $"#core-func47 indirect-wasi:http/types@0.2.10-[method]incoming-request.consume"))
    (export "12" (func $"#core-func48 indirect-wasi:http/types@0.2.10-[method]incoming-request.path-with-query"))
    (export "13" (func $"#core-func49 indirect-wasi:http/types@0.2.10-[method]incoming-body.stream"))
    (export "14" (func $"#core-func50 indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-method"))
    (export "15" (func $"#core-func51 indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-scheme"))
    (export "16" (func $"#core-func52 indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-authority"))
    (export "17" (func $"#core-func53 indirect-wasi:http/types@0.2.10-[method]outgoing-request.set-path-with-query"))
    (export "18" (func $"#core-func54 indirect-wasi:http/types@0.2.10-[method]outgoing-request.body"))
    (export "19" (func $"#core-func55 indirect-wasi:http/types@0.2.10-[method]future-incoming-response.get"))
    (export "20" (func $"#core-func56 indirect-wasi:http/types@0.2.10-[method]incoming-response.consume"))
    (export "21" (func $"#core-func57 indirect-wasi:http/outgoing-handler@0.2.10-handle"))
  )
  (core instance $fixup (instantiate $wit-component-fixup
      (with "" (instance $fixup-args))
    )
  )
  (type (own $incoming-request))
  (type (own $response-outparam))
  (type (func (param "request" 28) (param "response-out" 29)))
  (alias core export $main "wasi:http/incoming-handler@0.2.10#handle" (core func $wasi:http/incoming-handler@0.2.10#handle))
  (func $"#func32 handle" (@name "handle") (type 30) (canon lift (core func $wasi:http/incoming-handler@0.2.10#handle)))
  (component $wasi:http/incoming-handler@0.2.10-shim-component
    (import "import-type-incoming-request" (type (sub resource)))
    (import "import-type-response-outparam" (type (sub resource)))
    (import "import-type-incoming-request0" (type (eq 0)))
    (type (own 2))
    (import "import-type-response-outparam0" (type (eq 1)))
    (type (own 4))
    (type (func (param "request" 3) (param "response-out" 5)))
    (import "import-func-handle" (func (type 6)))
    (export "incoming-request" (type 0))
    (export "response-outparam" (type 1))
    (type (own 7))
    (type (own 8))
    (type (func (param "request" 9) (param "response-out" 10)))
    (export "handle" (func 0) (func (type 11)))
  )
  (instance $wasi:http/incoming-handler@0.2.10-shim-instance (instantiate $wasi:http/incoming-handler@0.2.10-shim-component
      (with "import-func-handle" (func $"#func32 handle"))
      (with "import-type-incoming-request" (type $incoming-request))
      (with "import-type-response-outparam" (type $response-outparam))
      (with "import-type-incoming-request0" (type $incoming-request))
      (with "import-type-response-outparam0" (type $response-outparam))
    )
  )
  (export $wasi:http/incoming-handler@0.2.10 "wasi:http/incoming-handler@0.2.10" (instance $wasi:http/incoming-handler@0.2.10-shim-instance))
)
