// What it is: an array that grows with malloc, for the module, which has no std::vector at run time.
// Holds plain data only. A failed allocation is remembered: from then on nothing is added and has_failed() holds.
#pragma once

#include "base/bytes.h"

#include <cstdlib>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>

namespace itk2 {

template <typename T> class GrowingArray {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>);

  public:
    GrowingArray() = default;
    GrowingArray(GrowingArray &&other) noexcept
        : items_(std::exchange(other.items_, nullptr)),
          size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)),
          failed_(std::exchange(other.failed_, false)) {}
    GrowingArray &operator=(GrowingArray &&other) noexcept {
        std::swap(items_, other.items_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
        std::swap(failed_, other.failed_);
        return *this;
    }
    ~GrowingArray() { std::free(items_); }

    void add(const T &item) {
        const T copy = item; // may stand in this array
        if (T *place = extend(1)) std::memcpy(static_cast<void *>(place), &copy, sizeof copy);
    }
    // Adds items that don't stand in this array.
    void add_all(std::span<const T> items) {
        if (items.empty()) return;
        if (T *place = extend(items.size())) std::memcpy(static_cast<void *>(place), items.data(), items.size_bytes());
    }
    // Adds `count` items of zero bytes and returns the first; nullptr where there is no memory.
    T *extend(std::size_t count) {
        if (failed_ || (count > capacity_ - size_ && !grow(count))) return nullptr;
        T *place = items_ + size_;
        std::memset(static_cast<void *>(place), 0, count * sizeof(T));
        size_ += count;
        return place;
    }
    // Takes items off the end; `size` is at most the present one. Memory stays.
    void shrink(std::size_t size) { size_ = size; }

    [[nodiscard]] std::span<T> items() { return {items_, size_}; }
    [[nodiscard]] std::span<const T> items() const { return {items_, size_}; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool has_failed() const { return failed_; }

  private:
    bool grow(std::size_t count) {
        constexpr std::size_t most = SIZE_MAX / 2 / sizeof(T);
        if (count > most - size_) return give_up();
        std::size_t capacity = capacity_ == 0 ? 16 : capacity_;
        while (capacity - size_ < count) capacity *= 2;
        void *grown = std::realloc(static_cast<void *>(items_), capacity * sizeof(T));
        if (grown == nullptr) return give_up();
        items_ = static_cast<T *>(grown);
        capacity_ = capacity;
        return true;
    }
    bool give_up() {
        failed_ = true;
        return false;
    }

    T *items_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
    bool failed_ = false;
};

using GrowingBytes = GrowingArray<std::uint8_t>;

} // namespace itk2
