// Dimensions as expressions, with values.
#pragma once

#include <memory>
#include <vector>

#include "stubs.h"

namespace harness {

class Expressions final : public nvinfer1::IExprBuilder {
 public:
  Expressions() : builder_(this) { mImpl = &builder_; }

  nvinfer1::DimsExprs of(const nvinfer1::Dims& dims) {
    nvinfer1::DimsExprs made{};
    made.nbDims = dims.nbDims;
    for (int32_t i = 0; i < dims.nbDims; ++i) made.d[i] = make(dims.d[i]);
    return made;
  }

  static nvinfer1::Dims evaluate(const nvinfer1::DimsExprs& expressions) {
    nvinfer1::Dims dims{};
    dims.nbDims = expressions.nbDims;
    for (int32_t i = 0; i < dims.nbDims; ++i) dims.d[i] = expressions.d[i]->getConstantValue();
    return dims;
  }

 private:
  struct Value final : nvinfer1::IDimensionExpr {
    explicit Value(int64_t value) : impl(value) { mImpl = &impl; }
    struct Impl final : stubs::VDimensionExpr {
      explicit Impl(int64_t given) : value(given) {}
      int64_t value;
      bool isConstant() const override { return true; }
      int64_t getConstantValue() const override { return value; }
    } impl;
  };

  struct Builder final : stubs::VExprBuilder {
    explicit Builder(Expressions* made_by) : owner(made_by) {}
    Expressions* owner;
    const nvinfer1::IDimensionExpr* constant(int64_t value) override { return owner->make(value); }
    const nvinfer1::IDimensionExpr* operation(nvinfer1::DimensionOperation op,
                                              const nvinfer1::IDimensionExpr& a,
                                              const nvinfer1::IDimensionExpr& b) override {
      const int64_t x = a.getConstantValue();
      const int64_t y = b.getConstantValue();
      if (op == nvinfer1::DimensionOperation::kCEIL_DIV) return owner->make((x + y - 1) / y);
      stubs::unexpected("operation of this kind");
    }
  };

  const nvinfer1::IDimensionExpr* make(int64_t value) {
    values_.push_back(std::make_unique<Value>(value));
    return values_.back().get();
  }

  Builder builder_;
  std::vector<std::unique_ptr<Value>> values_;
};

}  // namespace harness
