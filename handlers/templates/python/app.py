# The event is what the rule selects. What is returned is published on the topic `reply`.
def handler(event, context):
    return {"hello": event}
