"""One turn as a graph, on one screen.

    (start) ─▶ understand ─▶ mood · passages · facts ─▶ decide ───────┬─▶ hand over
       │                                                              ├─▶ prove an order
       │                                                              ├─▶ change an order ─▶ (answer)
       └─▶ perform a confirmed change ◀── the exact word ─────────────┤
                                                                      ├─▶ answer
                                                                      └─▶ converse

Compiled without a checkpointer: the log is the checkpoint. Nodes are functions, one idea
per file in ``agent.nodes``; they read the folded conversation and return partial state.
What must be durable before the next step (a confirmation) they record at once; the answer
itself is recorded together with the end of the turn.
"""

from __future__ import annotations

from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agent.nodes.answer import answer
from agent.nodes.change import change
from agent.nodes.converse import converse
from agent.nodes.decide import after, after_change, begin, decide, route
from agent.nodes.hand_over import hand_over
from agent.nodes.judge import judge
from agent.nodes.orders import orders
from agent.nodes.perform import perform
from agent.nodes.products import products
from agent.nodes.prove import prove
from agent.nodes.refunds import back
from agent.nodes.search import search
from agent.nodes.understand import understand
from agent.turn_state import TurnContext, TurnState

__all__ = ["TurnContext", "TurnState", "build_graph"]


def build_graph() -> CompiledStateGraph[TurnState, TurnContext, TurnState, TurnState]:
    """Build and compile the turn."""
    graph = StateGraph(TurnState, context_schema=TurnContext)
    for node in (
        understand,
        judge,
        search,
        orders,
        products,
        back,
        decide,
        hand_over,
        prove,
        change,
        perform,
        answer,
        converse,
    ):
        graph.add_node(node.__name__, node)
    graph.add_conditional_edges(START, begin, ["perform", "understand", "converse"])
    parallel = ["judge", "search", "orders", "products", "back"]
    for reads in parallel:
        graph.add_edge("understand", reads)
    graph.add_edge(parallel, "decide")
    graph.add_conditional_edges(
        "decide", route, ["hand_over", "prove", "change", "perform", "answer", "converse"]
    )
    graph.add_conditional_edges("change", after_change, ["hand_over", "answer", END])
    for fallible in ("answer", "prove", "perform"):
        graph.add_conditional_edges(fallible, after, ["hand_over", END])
    for last in ("hand_over", "converse"):
        graph.add_edge(last, END)
    return graph.compile()
