"""Pictures of models, drawn without other programs.

boxes.py says what there is to draw, ranks.py and order.py and layout.py say where, svg.py draws it.
What does not live here: Graphviz (utils/vis_utils.py).
"""
