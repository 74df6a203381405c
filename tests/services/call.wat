;; Reads a call on standard input, makes it, and writes the answer to standard output.
(module
  (import "doer" "call" (func $call (param i32 i32) (result i64)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)

  ;; Where free memory begins. Before it lie what is read to or written from (0), its length (4), and how much of that
  ;; was moved (8).
  (global $free (mut i32) (i32.const 16))

  ;; Sees to it that so many bytes may follow.
  (func $reserve (param $length i32)
    (local $missing i32)
    (local.set $missing (i32.sub
      (i32.shr_u (i32.add (i32.add (global.get $free) (local.get $length)) (i32.const 0xffff)) (i32.const 16))
      (memory.size)))
    (if (i32.gt_s (local.get $missing) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $missing)) (i32.const -1)) (then unreachable)))))

  (func (export "doer_alloc") (param $length i32) (result i32)
    (local $at i32)
    (call $reserve (local.get $length))
    (local.set $at (global.get $free))
    (global.set $free (i32.add (global.get $free) (local.get $length)))
    (local.get $at))

  (func (export "_start")
    (local $answer i64) (local $at i32) (local $left i32)
    (loop $more
      (call $reserve (i32.const 0x10000))
      (i32.store (i32.const 0) (global.get $free))
      (i32.store (i32.const 4) (i32.const 0x10000))
      (if (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (global.set $free (i32.add (global.get $free) (i32.load (i32.const 8))))
      (br_if $more (i32.load (i32.const 8))))
    (local.set $answer (call $call (i32.const 16) (i32.sub (global.get $free) (i32.const 16))))
    (local.set $at (i32.wrap_i64 (i64.shr_u (local.get $answer) (i64.const 32))))
    (local.set $left (i32.wrap_i64 (local.get $answer)))
    (loop $more
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $left))
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (local.set $left (i32.sub (local.get $left) (i32.load (i32.const 8))))
      (br_if $more (local.get $left)))))
