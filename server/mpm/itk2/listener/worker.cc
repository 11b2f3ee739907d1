// What it is: the workers by slot.
#include "listener/worker.h"

namespace itk2::listener {

Worker *Workers::add(Slot slot) {
    if (number(slot) >= most) return nullptr;
    if (by_slot_.size() <= number(slot)) by_slot_.resize(number(slot) + 1);
    by_slot_[number(slot)] = std::make_unique<Worker>();
    count_++;
    Worker &worker = *by_slot_[number(slot)];
    worker.slot = slot;
    return &worker;
}

} // namespace itk2::listener
