"""A LightGBM model as ONNX with its own 64-bit thresholds and category sets, so that both say exactly the same.

The common converters write 32-bit trees: a value beside a split then falls to the other side, and a category split
becomes one node a category. ONNX's `TreeEnsemble` operator (ai.onnx.ml 5) has doubles and set membership.
Semantics of a split: `Tree::NumericalDecision` and `Tree::CategoricalDecision` in LightGBM's `tree.h`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import lightgbm
import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

_LEQ, _MEMBER = 0, 6
_IDENTITY = ("regression", "regression_l1", "huber", "fair", "quantile", "mape", "custom", "lambdarank", "rank_xendcg")
_EXPONENTIAL = ("poisson", "gamma", "tweedie")


def convert(booster: lightgbm.Booster) -> ModelProto:
    """The model: `features`, doubles `[n, features]`, to `scores`, what `booster.predict` gives: `[n, 1]`, or
    one column a class. Raises `NotImplementedError` that says which setting of the model cannot be written.
    """
    dump = booster.dump_model()
    forest = _Forest(features=dump["max_feature_idx"] + 1, targets=dump["num_tree_per_iteration"])
    for number, tree in enumerate(dump["tree_info"]):
        forest.grow(tree["tree_structure"], number % forest.targets)
    rounds = len(dump["tree_info"]) // forest.targets
    nodes = [
        forest.node(1 / max(rounds, 1) if dump["average_output"] else 1.0),
        *_link(dump.get("objective", "custom")),
    ]
    graph = helper.make_graph(
        nodes,
        "lightgbm",
        [helper.make_tensor_value_info("features", TensorProto.DOUBLE, [None, forest.features])],
        [helper.make_tensor_value_info("scores", TensorProto.DOUBLE, [None, forest.targets])],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 5)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="loopwright")


@dataclass(kw_only=True)
class _Forest:
    """The flat lists of a `TreeEnsemble`: a child is a place among the nodes, or among the leaves."""

    features: int
    targets: int
    roots: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    split: list[float] = field(default_factory=list)
    mode: list[int] = field(default_factory=list)
    missing_left: list[int] = field(default_factory=list)
    members: list[list[float]] = field(default_factory=list)
    child: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    is_leaf: tuple[list[int], list[int]] = field(default_factory=lambda: ([], []))
    weights: list[float] = field(default_factory=list)
    leaf_target: list[int] = field(default_factory=list)

    def grow(self, tree: dict[str, Any], target: int) -> None:
        """Add a tree that adds to the score `target`."""
        self.roots.append(len(self.feature))
        if "leaf_value" in tree:  # a tree of one leaf: a split both of whose sides are that leaf
            self._add_split({"split_feature": 0, "threshold": 0.0, "decision_type": "<=", "missing_type": "NaN"})
            self._add_child(self.roots[-1], tree, target, (0, 1))
            return
        waiting = [(self._add_split(tree), tree)]
        while waiting:
            place, node = waiting.pop()
            for side, branch in enumerate((node["left_child"], node["right_child"])):
                if "leaf_value" in branch:
                    self._add_child(place, branch, target, (side,))
                else:
                    self.child[side][place] = self._add_split(branch)
                    waiting.append((self.child[side][place], branch))

    def node(self, scale: float) -> NodeProto:
        """The operator; every leaf times `scale`."""
        return helper.make_node(
            "TreeEnsemble",
            ["features"],
            ["raw"],
            domain="ai.onnx.ml",
            n_targets=self.targets,
            aggregate_function=1,
            post_transform=0,
            tree_roots=self.roots,
            nodes_featureids=self.feature,
            nodes_splits=_tensor(self.split),
            nodes_modes=numpy_helper.from_array(np.array(self.mode, dtype=np.uint8)),
            nodes_missing_value_tracks_true=self.missing_left,
            nodes_truenodeids=self.child[0],
            nodes_falsenodeids=self.child[1],
            nodes_trueleafs=self.is_leaf[0],
            nodes_falseleafs=self.is_leaf[1],
            leaf_targetids=self.leaf_target,
            leaf_weights=_tensor([weight * scale for weight in self.weights]),
            **self._membership(),
        )

    def _membership(self) -> dict[str, TensorProto]:
        """Each set's members and a NaN that ends it, in the order of the nodes; nothing where no node asks for one."""
        ended = [value for members in self.members if members for value in (*members, math.nan)]
        return {"membership_values": _tensor(ended)} if ended else {}

    def _add_split(self, node: dict[str, Any]) -> int:
        by_set = node["decision_type"] == "=="
        self.feature.append(node["split_feature"])
        self.split.append(0.0 if by_set else node["threshold"])
        self.mode.append(_MEMBER if by_set else _LEQ)
        self.members.append([float(text) for text in node["threshold"].split("||")] if by_set else [])
        self.missing_left.append(0 if by_set else int(_missing_goes_left(node)))
        for side in (0, 1):
            self.child[side].append(0)
            self.is_leaf[side].append(0)
        return len(self.feature) - 1

    def _add_child(self, place: int, leaf: dict[str, Any], target: int, sides: tuple[int, ...]) -> None:
        if "leaf_coeff" in leaf:
            raise NotImplementedError("its trees are linear (linear_tree)")
        for side in sides:
            self.child[side][place], self.is_leaf[side][place] = len(self.weights), 1
        self.weights.append(leaf["leaf_value"])
        self.leaf_target.append(target)


def _missing_goes_left(node: dict[str, Any]) -> bool:
    if node["missing_type"] == "Zero":
        raise NotImplementedError("it takes zero for missing (zero_as_missing)")
    if node["missing_type"] == "None":  # none were missing in training: LightGBM then reads NaN as zero
        return bool(node["threshold"] >= 0)
    return bool(node.get("default_left", True))


def _link(objective: str) -> list[NodeProto]:
    """From raw scores to what `predict` gives. `objective` is spelled as in the model file: `binary sigmoid:1`."""
    name, *words = objective.split()
    settings = dict(word.split(":") for word in words if ":" in word)
    if name in _IDENTITY and "sqrt" not in words:
        return [helper.make_node("Identity", ["raw"], ["scores"])]
    if name in _EXPONENTIAL:
        return [helper.make_node("Exp", ["raw"], ["scores"])]
    if name == "multiclass":
        return [helper.make_node("Softmax", ["raw"], ["scores"], axis=1)]
    if name in ("binary", "multiclassova", "cross_entropy"):
        steepness = numpy_helper.from_array(np.array(float(settings.get("sigmoid", 1))))
        return [
            helper.make_node("Constant", [], ["steepness"], value=steepness),
            helper.make_node("Mul", ["raw", "steepness"], ["steep"]),
            helper.make_node("Sigmoid", ["steep"], ["scores"]),
        ]
    raise NotImplementedError(f"its objective is {objective!r}")


def _tensor(values: list[float]) -> TensorProto:
    return numpy_helper.from_array(np.array(values, dtype=np.float64))
