;; What is around a command's own module: the interfaces that it may import, and the wiring that `wit-component` makes. The
;; module itself is put in its place by `guest.rs`.
(component
  (type $ty-wasi:io/error@0.2.10
    (instance
      (export "error" (type (sub resource)))
    )
  )
  (import "wasi:io/error@0.2.10" (instance $wasi:io/error@0.2.10 (type $ty-wasi:io/error@0.2.10)))
  (type $ty-wasi:io/poll@0.2.10
    (instance
      (export "pollable" (type (sub resource)))
      (type (borrow 0))
      (type (func (param "self" 1)))
      (export "[method]pollable.block" (func (type 2)))
    )
  )
  (import "wasi:io/poll@0.2.10" (instance $wasi:io/poll@0.2.10 (type $ty-wasi:io/poll@0.2.10)))
  (alias export $wasi:io/error@0.2.10 "error" (type $error))
  (type $ty-wasi:io/streams@0.2.10
    (instance
      (export "output-stream" (type (sub resource)))
      (alias outer 1 $error (type))
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
  (alias export $wasi:io/streams@0.2.10 "input-stream" (type $input-stream))
  (type $ty-wasi:cli/stdin@0.2.10
    (instance
      (alias outer 1 $input-stream (type))
      (export "input-stream" (type (eq 0)))
      (type (own 1))
      (type (func (result 2)))
      (export "get-stdin" (func (type 3)))
    )
  )
  (import "wasi:cli/stdin@0.2.10" (instance $wasi:cli/stdin@0.2.10 (type $ty-wasi:cli/stdin@0.2.10)))
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
  (alias export $wasi:io/streams@0.2.10 "output-stream" (type $"#type8 output-stream" (@name "output-stream")))
  (type $ty-wasi:cli/stderr@0.2.10
    (instance
      (alias outer 1 $"#type8 output-stream" (type))
      (export "output-stream" (type (eq 0)))
      (type (own 1))
      (type (func (result 2)))
      (export "get-stderr" (func (type 3)))
    )
  )
  (import "wasi:cli/stderr@0.2.10" (instance $wasi:cli/stderr@0.2.10 (type $ty-wasi:cli/stderr@0.2.10)))
  (type $ty-wasi:cli/exit@0.2.10
    (instance
      (type (result))
      (type (func (param "status" 0)))
      (export "exit" (func (type 1)))
    )
  )
  (import "wasi:cli/exit@0.2.10" (instance $wasi:cli/exit@0.2.10 (type $ty-wasi:cli/exit@0.2.10)))
  (type $ty-wasi:cli/environment@0.2.10
    (instance
      (type (tuple string string))
      (type (list 0))
      (type (func (result 1)))
      (export "get-environment" (func (type 2)))
    )
  )
  (import "wasi:cli/environment@0.2.10" (instance $wasi:cli/environment@0.2.10 (type $ty-wasi:cli/environment@0.2.10)))
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
  (type $ty-wasi:random/random@0.2.10
    (instance
      (type (list u8))
      (type (func (param "len" u64) (result 0)))
      (export "get-random-bytes" (func (type 1)))
    )
  )
  (import "wasi:random/random@0.2.10" (instance $wasi:random/random@0.2.10 (type $ty-wasi:random/random@0.2.10)))
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
  (alias export $doer:platform/common@0.1.0 "error" (type $"#type16 error" (@name "error")))
  (alias export $doer:platform/common@0.1.0 "json" (type $json))
  (type $ty-doer:platform/db@0.1.0
    (instance
      (type (enum "public" "private" "unlisted"))
      (export "visibility" (type (eq 0)))
      (type (option string))
      (type (option 1))
      (type (record (field "type" 2) (field "visibility" 3)))
      (export "count-options" (type (eq 4)))
      (alias outer 1 $"#type16 error" (type))
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
  (core module $main)
  (core module $wit-component-shim-module
    (type (func (param i32 i32 i32 i32)))
    (type (func (param i32 i64 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (type (func (param i32)))
    (type (func (param i64 i32)))
    (table 8 8 funcref)
    (export "0" (func 0))
    (export "1" (func 1))
    (export "2" (func 2))
    (export "3" (func 3))
    (export "4" (func 4))
    (export "5" (func 5))
    (export "6" (func 6))
    (export "7" (func 7))
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
    (func (type 6) (param i32)
      local.get 0
      i32.const 6
      call_indirect (type 6)
    )
    (func (type 7) (param i64 i32)
      local.get 0
      local.get 1
      i32.const 7
      call_indirect (type 7)
    )
  )
  (core module $wit-component-fixup
    (type (func (param i32 i32 i32 i32)))
    (type (func (param i32 i64 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32)))
    (type (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (type (func (param i32)))
    (type (func (param i64 i32)))
    (import "" "0" (func (type 0)))
    (import "" "1" (func (type 1)))
    (import "" "2" (func (type 2)))
    (import "" "3" (func (type 3)))
    (import "" "4" (func (type 4)))
    (import "" "5" (func (type 5)))
    (import "" "6" (func (type 6)))
    (import "" "7" (func (type 7)))
    (import "" "$imports" (table 8 8 funcref))
    (elem (i32.const 0) func 0 1 2 3 4 5 6 7)
  )
  (core instance $wit-component-shim-instance (instantiate $wit-component-shim-module))
  (alias core export $wit-component-shim-instance "0" (core func $"indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush"))
  (alias core export $wit-component-shim-instance "1" (core func $"indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read"))
  (alias export $wasi:io/streams@0.2.10 "output-stream" (type $"#type19 output-stream" (@name "output-stream")))
  (core func $resource.drop (canon resource.drop $"#type19 output-stream"))
  (alias export $wasi:io/streams@0.2.10 "input-stream" (type $"#type20 input-stream" (@name "input-stream")))
  (core func $"#core-func3 resource.drop" (@name "resource.drop") (canon resource.drop $"#type20 input-stream"))
  (core instance $wasi:io/streams@0.2.10
    (export "[method]output-stream.blocking-write-and-flush" (func $"indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush"))
    (export "[method]input-stream.blocking-read" (func $"indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read"))
    (export "[resource-drop]output-stream" (func $resource.drop))
    (export "[resource-drop]input-stream" (func $"#core-func3 resource.drop"))
  )
  (alias export $wasi:io/poll@0.2.10 "[method]pollable.block" (func $"[method]pollable.block"))
  (core func $"[method]pollable.block" (canon lower (func $"[method]pollable.block")))
  (alias export $wasi:io/poll@0.2.10 "pollable" (type $"#type21 pollable" (@name "pollable")))
  (core func $"#core-func5 resource.drop" (@name "resource.drop") (canon resource.drop $"#type21 pollable"))
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
  (alias export $wasi:cli/stdin@0.2.10 "get-stdin" (func $get-stdin))
  (core func $get-stdin (canon lower (func $get-stdin)))
  (core instance $wasi:cli/stdin@0.2.10
    (export "get-stdin" (func $get-stdin))
  )
  (alias export $wasi:cli/exit@0.2.10 "exit" (func $exit))
  (core func $exit (canon lower (func $exit)))
  (core instance $wasi:cli/exit@0.2.10
    (export "exit" (func $exit))
  )
  (alias core export $wit-component-shim-instance "6" (core func $indirect-wasi:cli/environment@0.2.10-get-environment))
  (core instance $wasi:cli/environment@0.2.10
    (export "get-environment" (func $indirect-wasi:cli/environment@0.2.10-get-environment))
  )
  (alias core export $wit-component-shim-instance "7" (core func $indirect-wasi:random/random@0.2.10-get-random-bytes))
  (core instance $wasi:random/random@0.2.10
    (export "get-random-bytes" (func $indirect-wasi:random/random@0.2.10-get-random-bytes))
  )
  (core instance $main (instantiate $main
      (with "wasi:io/streams@0.2.10" (instance $wasi:io/streams@0.2.10))
      (with "wasi:io/poll@0.2.10" (instance $wasi:io/poll@0.2.10))
      (with "wasi:cli/stdout@0.2.10" (instance $wasi:cli/stdout@0.2.10))
      (with "wasi:cli/stderr@0.2.10" (instance $wasi:cli/stderr@0.2.10))
      (with "wasi:clocks/monotonic-clock@0.2.10" (instance $wasi:clocks/monotonic-clock@0.2.10))
      (with "doer:platform/db@0.1.0" (instance $doer:platform/db@0.1.0))
      (with "wasi:cli/stdin@0.2.10" (instance $wasi:cli/stdin@0.2.10))
      (with "wasi:cli/exit@0.2.10" (instance $wasi:cli/exit@0.2.10))
      (with "wasi:cli/environment@0.2.10" (instance $wasi:cli/environment@0.2.10))
      (with "wasi:random/random@0.2.10" (instance $wasi:random/random@0.2.10))
    )
  )
  (alias core export $main "memory" (core memory $memory))
  (alias core export $wit-component-shim-instance "$imports" (core table $"shim table"))
  (alias export $wasi:io/streams@0.2.10 "[method]output-stream.blocking-write-and-flush" (func $"[method]output-stream.blocking-write-and-flush"))
  (alias core export $main "cabi_realloc" (core func $realloc))
  (core func $"#core-func18 indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush" (@name "indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush") (canon lower (func $"[method]output-stream.blocking-write-and-flush") (memory $memory)))
  (alias export $wasi:io/streams@0.2.10 "[method]input-stream.blocking-read" (func $"[method]input-stream.blocking-read"))
  (core func $"#core-func19 indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read" (@name "indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read") (canon lower (func $"[method]input-stream.blocking-read") (memory $memory) (realloc $realloc)))
  (alias export $doer:platform/db@0.1.0 "count" (func $count))
  (core func $"#core-func20 indirect-doer:platform/db@0.1.0-count" (@name "indirect-doer:platform/db@0.1.0-count") (canon lower (func $count) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $doer:platform/db@0.1.0 "get" (func $get))
  (core func $"#core-func21 indirect-doer:platform/db@0.1.0-get" (@name "indirect-doer:platform/db@0.1.0-get") (canon lower (func $get) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $doer:platform/db@0.1.0 "query" (func $query))
  (core func $"#core-func22 indirect-doer:platform/db@0.1.0-query" (@name "indirect-doer:platform/db@0.1.0-query") (canon lower (func $query) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $doer:platform/db@0.1.0 "upsert" (func $upsert))
  (core func $"#core-func23 indirect-doer:platform/db@0.1.0-upsert" (@name "indirect-doer:platform/db@0.1.0-upsert") (canon lower (func $upsert) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $wasi:cli/environment@0.2.10 "get-environment" (func $get-environment))
  (core func $"#core-func24 indirect-wasi:cli/environment@0.2.10-get-environment" (@name "indirect-wasi:cli/environment@0.2.10-get-environment") (canon lower (func $get-environment) (memory $memory) (realloc $realloc) string-encoding=utf8))
  (alias export $wasi:random/random@0.2.10 "get-random-bytes" (func $get-random-bytes))
  (core func $"#core-func25 indirect-wasi:random/random@0.2.10-get-random-bytes" (@name "indirect-wasi:random/random@0.2.10-get-random-bytes") (canon lower (func $get-random-bytes) (memory $memory) (realloc $realloc)))
  (core instance $fixup-args
    (export "$imports" (table $"shim table"))
    (export "0" (func $"#core-func18 indirect-wasi:io/streams@0.2.10-[method]output-stream.blocking-write-and-flush"))
    (export "1" (func $"#core-func19 indirect-wasi:io/streams@0.2.10-[method]input-stream.blocking-read"))
    (export "2" (func $"#core-func20 indirect-doer:platform/db@0.1.0-count"))
    (export "3" (func $"#core-func21 indirect-doer:platform/db@0.1.0-get"))
    (export "4" (func $"#core-func22 indirect-doer:platform/db@0.1.0-query"))
    (export "5" (func $"#core-func23 indirect-doer:platform/db@0.1.0-upsert"))
    (export "6" (func $"#core-func24 indirect-wasi:cli/environment@0.2.10-get-environment"))
    (export "7" (func $"#core-func25 indirect-wasi:random/random@0.2.10-get-random-bytes"))
  )
  (core instance $fixup (instantiate $wit-component-fixup
      (with "" (instance $fixup-args))
    )
  )
  (type (result))
  (type (func (result 22)))
  (alias core export $main "wasi:cli/run@0.2.10#run" (core func $wasi:cli/run@0.2.10#run))
  (func $run (type 23) (canon lift (core func $wasi:cli/run@0.2.10#run)))
  (component $wasi:cli/run@0.2.10-shim-component
    (type (result))
    (type (func (result 0)))
    (import "import-func-run" (func (type 1)))
    (type (result))
    (type (func (result 2)))
    (export "run" (func 0) (func (type 3)))
  )
  (instance $wasi:cli/run@0.2.10-shim-instance (instantiate $wasi:cli/run@0.2.10-shim-component
      (with "import-func-run" (func $run))
    )
  )
  (export $wasi:cli/run@0.2.10 "wasi:cli/run@0.2.10" (instance $wasi:cli/run@0.2.10-shim-instance))
)
