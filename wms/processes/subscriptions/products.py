"""Store products in MongoDB, and find the workflows that are attached to them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from runtime.bus.dispatch import DispatchTable
from runtime.kernel.database import Reader
from runtime.kernel.store import Index, Store
from runtime.telemetry import log
from schemas.engine.graph import Definition
from schemas.engine.processes import attaches_to
from schemas.engine.run_documents import DEFINITIONS
from schemas.engine.subscriptions import PRODUCTS, SUBSCRIPTIONS, ProductDocument
from schemas.events import ControlEvent, ProductRegistered
from wms.engine import repository
from wms.engine.handlers import check_sender
from wms.processes.subscriptions.subscription_documents import make_product_document

INDEXES: Mapping[str, tuple[Index, ...]] = {PRODUCTS: (Index(("name",), unique=True), Index(("tag",)))}


class Products:
    """Reads and stores the products of one database."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_to(self, table: DispatchTable) -> None:
        """Add the handler of products to WMS's table."""
        table.add_handler(ProductRegistered, self._take_registration)

    async def _take_registration(self, registered: ProductRegistered, event: ControlEvent) -> None:
        check_sender(event.sender, registered.pool)
        await self.register_product(registered.product)

    async def register_product(self, product: ProductDocument) -> ProductDocument:
        """Store `product`, and return the stored product. A repetition changes nothing.

        A product of the same name keeps its id, because subscriptions refer to the id.
        """
        known = await self._store.find_one(PRODUCTS, {"name": product.name})
        if known is not None and known["_id"] != str(product.product_id):
            log.warning("a product is registered under another id", name=product.name, id=known["_id"])
            product = product.model_copy(update={"product_id": UUID(known["_id"])})
        key, fields = str(product.product_id), make_product_document(product)
        if known is not None and all(known.get(name) == value for name, value in fields.items()):
            return product
        await self._store.insert_new(PRODUCTS, [{"_id": key, **fields}])
        await self._store.compare_and_set(PRODUCTS, {"_id": key}, {"$set": fields})
        await self._change_in_subscriptions(key, fields)
        return product

    async def _change_in_subscriptions(self, product_id: str, fields: Mapping[str, Any]) -> None:
        """Update the copies of the product in subscriptions. Their versions stay, because no step depends on the
        change.
        """
        query = {"product.product_id": product_id, "product": {"$ne": fields}}
        found = await self._store.find(SUBSCRIPTIONS, query, projection={"_id": 1})
        updates = [({"_id": one["_id"]}, {"$set": {"product": fields}}) for one in found]
        await self._store.bulk_update(SUBSCRIPTIONS, updates)

    async def list_products(self, workflow: str = "") -> list[ProductDocument]:
        """Return the products to which `workflow` is attached, in the order of their names. If `workflow` is empty,
        return all.
        """
        products = [_parse(one) for one in await self._store.find(PRODUCTS, {}, sort=[("name", 1)])]
        if not workflow:
            return products
        found = await repository.find_definition(self._store, workflow)
        return [one for one in products if found is not None and is_attached(found[1], one)]

    async def get_product(self, product_id: UUID) -> ProductDocument | None:
        """Return the product. Return None if there is no such product."""
        return (await load_products(self._store, {product_id})).get(product_id)

    async def list_workflows(self, product: ProductDocument) -> list[Definition]:
        """Return the latest definition of each workflow that is attached to `product`, in the order of the names."""
        query = {"definition.tag": product.tag, "definition.search_phrase": {"$gt": ""}}
        names = await self._store.distinct(DEFINITIONS, "name", query) if product.tag else []
        found: list[Definition] = []
        for name in sorted(names):
            latest = await repository.find_definition(self._store, name)
            if latest is not None and is_attached(latest[1], product):
                found.append(latest[1])
        return found


async def load_products(reader: Reader, ids: Sequence[UUID] | set[UUID]) -> dict[UUID, ProductDocument]:
    """Return by id those of the products `ids` that exist."""
    if not ids:
        return {}
    found = await reader.find(PRODUCTS, {"_id": {"$in": sorted(str(one) for one in ids)}})
    return {product.product_id: product for product in map(_parse, found)}


def is_attached(definition: Definition, product: ProductDocument) -> bool:
    """Return whether a user can start `definition` on subscriptions to `product`. A definition without a tag has no
    products.
    """
    phrase = definition.search_phrase
    return bool(definition.tag and phrase) and attaches_to(product, tag=definition.tag, search_phrase=phrase)


def _parse(document: Mapping[str, Any]) -> ProductDocument:
    try:
        return ProductDocument.model_validate({**document, "product_id": document["_id"]})
    except ValidationError as error:  # pragma: no cover - only this module writes products
        raise ValueError(f"the product {document['_id']} cannot be read") from error
