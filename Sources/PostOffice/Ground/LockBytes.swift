// The bytes of files that processes lock, fcntl_locking(2).

/// Byte 0 of a letter: locked by its sender until it is sorted.
package let sorterByte: UInt64 = 0
