"""The tags of what Chalice creates without tags. CloudFormation tags the stack's resources, Chalice the functions."""

from chalice.app import ScheduledEventConfig

from chalicelib.permissions import declared
from deploy import network
from deploy.stage import Stage


def apply(stage: Stage, api_id: str) -> None:
    """Tag the roles, the rule of the schedule, the API, its stage and its domain. Other tags of these stay."""
    place, prefix = stage.place, f"{stage.config.app_name}-{stage.name}"
    pairs = [{"Key": key, "Value": value} for key, value in stage.tags.items()]
    app = stage.config.chalice_app
    for function in declared(app):
        place.client("iam").tag_role(RoleName=f"{prefix}-{function}", Tags=pairs)
    for source in app.event_sources:
        if isinstance(source, ScheduledEventConfig):
            rule = place.arn("events", f"rule/{prefix}-{source.name}-event")
            place.client("events").tag_resource(ResourceARN=rule, Tags=pairs)
    paths = [f"/restapis/{api_id}", f"/restapis/{api_id}/stages/{stage.name}"]
    if domain := network.domain(stage.config):
        paths.append(f"/domainnames/{domain.name}")
    for path in paths:
        arn = f"arn:{place.partition}:apigateway:{place.region}::{path}"
        place.client("apigateway").tag_resource(resourceArn=arn, tags=stage.tags)
