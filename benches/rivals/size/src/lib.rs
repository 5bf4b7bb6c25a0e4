//! What a program without std needs: memory, a pipe, and an end. The C library has them.
//!
//! `size-client` is a whole MQTT client over its standard input and output; `size-empty` is what is left of it without MQTT.
#![no_std]

use core::alloc::{GlobalAlloc, Layout};
use core::panic::PanicInfo;

#[link(name = "c")]
unsafe extern "C" {
    fn malloc(size: usize) -> *mut u8;
    fn free(pointer: *mut u8);
    fn read(file: i32, buffer: *mut u8, len: usize) -> isize;
    fn write(file: i32, buffer: *const u8, len: usize) -> isize;
    fn abort() -> !;
}

struct Heap;

// SAFETY: what malloc returns is aligned for everything that is asked for here, and nobody else frees it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > 16 {
            return core::ptr::null_mut();
        }
        unsafe { malloc(layout.size()) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, _: Layout) {
        unsafe { free(pointer) }
    }
}

#[global_allocator]
static HEAP: Heap = Heap;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    // SAFETY: it has no conditions.
    unsafe { abort() }
}

/// Reads from standard input; 0 at its end.
pub fn receive(buffer: &mut [u8]) -> usize {
    // SAFETY: the buffer is as long as is said.
    let len = unsafe { read(0, buffer.as_mut_ptr(), buffer.len()) };
    usize::try_from(len).unwrap_or(0)
}

/// Writes to standard output; 0 if it takes nothing.
pub fn send(bytes: &[u8]) -> usize {
    // SAFETY: the bytes are as many as is said.
    let len = unsafe { write(1, bytes.as_ptr(), bytes.len()) };
    usize::try_from(len).unwrap_or(0)
}
