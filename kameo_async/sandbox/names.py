"""The words of which the sandbox's loans are made, one language for each country."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Language:
    """How a country's loans read.

    `title` holds {who}, {what} and {where}; a teaser may hold {value}, an amount with its currency, or
    {percent}.
    """

    code: str
    currency: str
    separator: str
    title: str
    who: tuple[str, ...]
    what: tuple[str, ...]
    where: tuple[str, ...]
    teasers: tuple[str, ...]


SWEDISH = Language(
    code="SE",
    currency="SEK",
    separator=" ",
    title="{who} söker finansiering till {what} i {where}",
    who=(
        "Fastighetsbolag",
        "Bostadsutvecklare",
        "Byggföretag",
        "Projektutvecklare",
        "Familjeägt fastighetsbolag",
        "Erfaren byggentreprenör",
    ),
    what=(
        "radhusprojekt",
        "flerbostadshus",
        "förvärv av hyresfastighet",
        "nybyggnation av åtta villor",
        "renovering av kontorshus",
        "lager- och logistikbyggnad",
        "omvandling av skola till lägenheter",
        "fritidshus vid sjön",
    ),
    where=(
        "Göteborg",
        "Malmö",
        "Västerås",
        "Örebro",
        "Linköping",
        "Umeå",
        "Jönköping",
        "Norrtälje",
        "Ängelholm",
        "Åre",
        "Luleå",
        "Växjö",
    ),
    teasers=(
        "Fastigheterna är värderade till totalt {value}",
        "Fastigheten är värderad till {value}",
        "Lånet säkerställs med pantbrev i fastighet värderad till {value}",
        "Projektet är till {percent} % sålt, byggstarten är gjord",
        "Belåningsgraden uppgår till {percent} % av marknadsvärdet",
    ),
)

NORWEGIAN = Language(
    code="NO",
    currency="NOK",
    separator=" ",
    title="{who} søker finansiering til {what} i {where}",
    who=(
        "Eiendomsselskap",
        "Boligutvikler",
        "Byggefirma",
        "Familieeid eiendomsselskap",
        "Erfaren entreprenør",
        "Prosjektutvikler",
    ),
    what=(
        "rekkehusprosjekt",
        "leilighetsbygg",
        "kjøp av næringseiendom",
        "oppføring av seks eneboliger",
        "rehabilitering av bygård",
        "hyttefelt på fjellet",
        "lagerbygg",
        "tomannsboliger",
    ),
    where=(
        "Bergen",
        "Tromsø",
        "Ålesund",
        "Bodø",
        "Stavanger",
        "Lillestrøm",
        "Tønsberg",
        "Drammen",
        "Kristiansand",
        "Hønefoss",
    ),
    teasers=(
        "Eiendommene er verdsatt til totalt {value}",
        "Eiendommen er verdsatt til {value}",
        "Lånet er sikret med pant i eiendom verdsatt til {value}",
        "{percent} % av boligene er solgt, og byggingen er i gang",
        "Belåningsgraden er {percent} % av markedsverdien",
    ),
)

DANISH = Language(
    code="DK",
    currency="DKK",
    separator=".",
    title="{who} søger finansiering til {what} i {where}",
    who=(
        "Ejendomsselskab",
        "Boligudvikler",
        "Byggefirma",
        "Familieejet ejendomsselskab",
        "Erfaren entreprenør",
        "Projektudvikler",
    ),
    what=(
        "rækkehusprojekt",
        "etageejendom",
        "køb af udlejningsejendom",
        "opførelse af ti villaer",
        "renovering af kontorbygning",
        "lagerbygning",
        "sommerhuse ved kysten",
        "ombygning af fabrik til lejligheder",
    ),
    where=(
        "København",
        "Aarhus",
        "Odense",
        "Aalborg",
        "Køge",
        "Helsingør",
        "Sønderborg",
        "Næstved",
        "Hillerød",
        "Silkeborg",
    ),
    teasers=(
        "Ejendommene er vurderet til i alt {value}",
        "Ejendommen er vurderet til {value}",
        "Lånet er sikret med pant i ejendom vurderet til {value}",
        "{percent} % af boligerne er solgt, og byggeriet er i gang",
        "Belåningsgraden er {percent} % af markedsværdien",
    ),
)

LANGUAGES = {language.code: language for language in (SWEDISH, NORWEGIAN, DANISH)}
