// What it is: doubly linked lists through the members themselves: no memory, removal anywhere in constant time.
// A member is in at most one list per tag; the list never owns it.
#pragma once

#include <cstddef>

namespace itk2::listener {

struct Link {
    Link *before = nullptr;
    Link *after = nullptr;

    Link() = default;
    Link(const Link &) = delete;
    Link &operator=(const Link &) = delete;

    [[nodiscard]] bool is_linked() const { return after != nullptr; }
    void unlink() {
        if (!is_linked()) return;
        before->after = after;
        after->before = before;
        before = after = nullptr;
    }
    void insert_before(Link &place) {
        before = place.before;
        after = &place;
        place.before->after = this;
        place.before = this;
    }
};

// Member derives from Tag, and Tag from Link.
template <typename Member, typename Tag> class List {
  public:
    List() { end_.before = end_.after = &end_; }

    [[nodiscard]] bool empty() const { return end_.after == &end_; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] Member *first() { return empty() ? nullptr : member(end_.after); }
    [[nodiscard]] Member *next(Member &of) {
        Link *after = static_cast<Tag &>(of).after;
        return after == &end_ ? nullptr : member(after);
    }
    void push_first(Member &one) { insert(one, *end_.after); }
    void push_last(Member &one) { insert(one, end_); }
    // `one` must be in this list.
    void remove(Member &one) {
        static_cast<Tag &>(one).unlink();
        size_--;
    }

  private:
    static Member *member(Link *link) { return static_cast<Member *>(static_cast<Tag *>(link)); }
    void insert(Member &one, Link &place) {
        static_cast<Tag &>(one).insert_before(place);
        size_++;
    }

    Link end_;
    std::size_t size_ = 0;
};

} // namespace itk2::listener
