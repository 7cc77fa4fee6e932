"""Constants of the elements, as numpy arrays indexed by atomic number (0, the dummy atom, to 118).

A value that is not known (the electronegativity of most noble gases, melting points beyond
lawrencium, helium's melting point at one atmosphere) is 0 here, never NaN; see ``features.py`` for
what a network reads then.

Sources: masses, covalent radii (Cordero et al. 2008, sp3 for carbon) and van der Waals radii as in
RDKit's periodic table; where a radius was never determined that table writes 1.90 or 2.00, and so
does this one. Pauling electronegativities, first ionisation energies (NIST) and melting points at
one atmosphere as collected by mendeleev 1.3 (graphite, white phosphorus, rhombic sulfur, grey
selenium and white tin are taken). Bond radii of single, double and triple bonds from Pyykko and
Atsumi (2009); where none is given, the radius of the next lower bond order. Groups follow IUPAC
(2021): lutetium and lawrencium in group 3, the fourteen elements before each in none.
"""

import numpy as np
from numpy.typing import NDArray

_TABLE = """
1 H 1 1 1.008 0.31 1.2 2.2 13.598 14 0.32 0.32 0.32
2 He 18 1 4.003 0.28 1.4 0 24.587 0 0.46 0.46 0.46
3 Li 1 2 6.941 1.28 2.2 0.98 5.392 453.6 1.33 1.24 1.24
4 Be 2 2 9.012 0.96 1.9 1.57 9.323 1560.2 1.02 0.90 0.85
5 B 13 2 10.812 0.84 1.8 2.04 8.298 2350.2 0.85 0.78 0.73
6 C 14 2 12.011 0.76 1.7 2.55 11.26 3823 0.75 0.67 0.60
7 N 15 2 14.007 0.71 1.6 3.04 14.534 63.1 0.71 0.60 0.54
8 O 16 2 15.999 0.66 1.55 3.44 13.618 54.4 0.63 0.57 0.53
9 F 17 2 18.998 0.57 1.5 3.98 17.423 53.5 0.64 0.59 0.53
10 Ne 18 2 20.18 0.58 1.54 0 21.565 24.6 0.67 0.96 0.96
11 Na 1 3 22.99 1.66 2.4 0.93 5.139 370.9 1.55 1.60 1.60
12 Mg 2 3 24.305 1.41 2.2 1.31 7.646 923.1 1.39 1.32 1.27
13 Al 13 3 26.982 1.21 2.1 1.61 5.986 933.5 1.26 1.13 1.11
14 Si 14 3 28.086 1.11 2.1 1.9 8.152 1687.2 1.16 1.07 1.02
15 P 15 3 30.974 1.07 1.95 2.19 10.487 317.3 1.11 1.02 0.94
16 S 16 3 32.067 1.05 1.8 2.58 10.36 388.4 1.03 0.94 0.95
17 Cl 17 3 35.453 1.02 1.8 3.16 12.968 171.6 0.99 0.95 0.93
18 Ar 18 3 39.948 1.06 1.88 0 15.76 83.8 0.96 1.07 0.96
19 K 1 4 39.098 2.03 2.8 0.82 4.341 336.6 1.96 1.93 1.93
20 Ca 2 4 40.078 1.76 2.4 1 6.113 1115.2 1.71 1.47 1.33
21 Sc 3 4 44.956 1.7 2.3 1.36 6.561 1814.2 1.48 1.16 1.14
22 Ti 4 4 47.867 1.6 2.15 1.54 6.828 1943.2 1.36 1.17 1.08
23 V 5 4 50.944 1.52 2.05 1.63 6.746 2183.2 1.34 1.12 1.06
24 Cr 6 4 51.996 1.39 2.05 1.66 6.767 2180.2 1.22 1.11 1.03
25 Mn 7 4 54.938 1.39 2.05 1.55 7.434 1519.2 1.19 1.05 1.03
26 Fe 8 4 55.845 1.32 2.05 1.83 7.902 1811.2 1.16 1.09 1.02
27 Co 9 4 58.933 1.26 2 1.88 7.881 1768.2 1.11 1.03 0.96
28 Ni 10 4 58.693 1.24 2 1.91 7.64 1728.2 1.10 1.01 1.01
29 Cu 11 4 63.546 1.32 2 1.9 7.726 1357.8 1.12 1.15 1.20
30 Zn 12 4 65.39 1.22 2.1 1.65 9.394 692.7 1.18 1.20 1.20
31 Ga 13 4 69.723 1.22 2.1 1.81 5.999 302.9 1.24 1.17 1.21
32 Ge 14 4 72.61 1.2 2.1 2.01 7.899 1211.4 1.21 1.11 1.14
33 As 15 4 74.922 1.19 2.05 2.18 9.789 1090.2 1.21 1.14 1.06
34 Se 16 4 78.96 1.2 1.9 2.55 9.752 494 1.16 1.07 1.07
35 Br 17 4 79.904 1.2 1.9 2.96 11.814 265.9 1.14 1.09 1.10
36 Kr 18 4 83.8 1.16 2.02 0 14 115.8 1.17 1.21 1.08
37 Rb 1 5 85.468 2.2 2.9 0.82 4.177 312.4 2.10 2.02 2.02
38 Sr 2 5 87.62 1.95 2.55 0.95 5.695 1050.2 1.85 1.57 1.39
39 Y 3 5 88.906 1.9 2.4 1.22 6.217 1795.2 1.63 1.30 1.24
40 Zr 4 5 91.224 1.75 2.3 1.33 6.634 2127.2 1.54 1.27 1.21
41 Nb 5 5 92.906 1.64 2.15 1.6 6.759 2750.2 1.47 1.25 1.16
42 Mo 6 5 95.94 1.54 2.1 2.16 7.092 2895.2 1.38 1.21 1.13
43 Tc 7 5 98 1.47 2.05 2.1 7.119 2430.2 1.28 1.20 1.10
44 Ru 8 5 101.07 1.46 2.05 2.2 7.361 2606.2 1.25 1.14 1.03
45 Rh 9 5 102.906 1.42 2 2.28 7.459 2236.2 1.25 1.10 1.06
46 Pd 10 5 106.42 1.39 2.05 2.2 8.337 1827.9 1.20 1.17 1.12
47 Ag 11 5 107.868 1.45 2.1 1.93 7.576 1234.9 1.28 1.39 1.37
48 Cd 12 5 112.412 1.44 2.2 1.69 8.994 594.2 1.36 1.44 1.44
49 In 13 5 114.818 1.42 2.2 1.78 5.786 429.7 1.42 1.36 1.46
50 Sn 14 5 118.711 1.39 2.25 1.96 7.344 505.1 1.40 1.30 1.32
51 Sb 15 5 121.76 1.39 2.2 2.05 8.608 903.8 1.40 1.33 1.27
52 Te 16 5 127.6 1.38 2.1 2.1 9.01 722.7 1.36 1.28 1.21
53 I 17 5 126.904 1.39 2.1 2.66 10.451 386.8 1.33 1.29 1.25
54 Xe 18 5 131.29 1.4 2.16 2.6 12.13 161.4 1.31 1.35 1.22
55 Cs 1 6 132.905 2.44 3 0.79 3.894 301.6 2.32 2.09 2.09
56 Ba 2 6 137.328 2.15 2.7 0.89 5.212 1000.1 1.96 1.61 1.49
57 La 0 6 138.906 2.07 2.5 1.1 5.577 1193.2 1.80 1.39 1.39
58 Ce 0 6 140.116 2.04 2.48 1.12 5.539 1072.2 1.63 1.37 1.31
59 Pr 0 6 140.908 2.03 2.47 1.13 5.47 1204.2 1.76 1.38 1.28
60 Nd 0 6 144.24 2.01 2.45 1.14 5.525 1289.2 1.74 1.37 1.37
61 Pm 0 6 145 1.99 2.43 0 5.582 1315.2 1.73 1.35 1.35
62 Sm 0 6 150.36 1.98 2.42 1.17 5.644 1345.2 1.72 1.34 1.34
63 Eu 0 6 151.964 1.98 2.4 0 5.67 1095.2 1.68 1.34 1.34
64 Gd 0 6 157.25 1.96 2.38 1.2 6.15 1586.2 1.69 1.35 1.32
65 Tb 0 6 158.925 1.94 2.37 0 5.864 1632.2 1.68 1.35 1.35
66 Dy 0 6 162.5 1.92 2.35 1.22 5.939 1685.2 1.67 1.33 1.33
67 Ho 0 6 164.93 1.92 2.33 1.23 6.021 1745.2 1.66 1.33 1.33
68 Er 0 6 167.26 1.89 2.32 1.24 6.108 1802.2 1.65 1.33 1.33
69 Tm 0 6 168.934 1.9 2.3 1.25 6.184 1818.2 1.64 1.31 1.31
70 Yb 0 6 173.04 1.87 2.28 0 6.254 1097.2 1.70 1.29 1.29
71 Lu 3 6 174.967 1.87 2.27 1 5.426 1936.2 1.62 1.31 1.31
72 Hf 4 6 178.49 1.75 2.25 1.3 6.825 2506.2 1.52 1.28 1.22
73 Ta 5 6 180.948 1.7 2.2 1.5 7.55 3290.2 1.46 1.26 1.19
74 W 6 6 183.84 1.62 2.1 1.7 7.864 3687.2 1.37 1.20 1.15
75 Re 7 6 186.207 1.51 2.05 1.9 7.834 3458.2 1.31 1.19 1.10
76 Os 8 6 190.23 1.44 2 2.2 8.438 3306.2 1.29 1.16 1.09
77 Ir 9 6 192.217 1.41 2 2.2 8.967 2719.2 1.22 1.15 1.07
78 Pt 10 6 195.078 1.36 2.05 2.2 8.959 2041.3 1.23 1.12 1.10
79 Au 11 6 196.967 1.36 2.1 2.4 9.226 1337.3 1.24 1.21 1.23
80 Hg 12 6 200.59 1.32 2.05 1.9 10.438 234.3 1.33 1.42 1.42
81 Tl 13 6 204.383 1.45 2.2 1.8 6.108 577.1 1.44 1.42 1.50
82 Pb 14 6 207.2 1.46 2.3 1.8 7.417 600.6 1.44 1.35 1.37
83 Bi 15 6 208.98 1.48 2.3 1.9 7.286 544.6 1.51 1.41 1.35
84 Po 16 6 209 1.4 2 2 8.418 527.1 1.45 1.35 1.29
85 At 17 6 210 1.5 2 2.2 9.318 575.1 1.47 1.38 1.38
86 Rn 18 6 222 1.5 2 0 10.748 202.1 1.42 1.45 1.33
87 Fr 1 7 223 2.6 2 0.7 4.073 294.1 2.23 2.18 2.18
88 Ra 2 7 226 2.2 2 0.9 5.278 969.1 2.01 1.73 1.59
89 Ac 0 7 227 2.15 2 1.1 5.38 1323.2 1.86 1.53 1.40
90 Th 0 7 232.038 2.06 2.4 1.3 6.307 2023.2 1.75 1.43 1.36
91 Pa 0 7 231.036 2 2 1.5 5.89 1845.2 1.69 1.38 1.29
92 U 0 7 238.029 1.96 2.3 1.7 6.194 1408.2 1.70 1.34 1.18
93 Np 0 7 237 1.9 2 1.3 6.266 917.1 1.71 1.36 1.16
94 Pu 0 7 244 1.87 2 1.3 6.026 913.1 1.72 1.35 1.35
95 Am 0 7 243 1.8 2 0 5.974 1449.2 1.66 1.35 1.35
96 Cm 0 7 247 1.69 2 0 5.992 1618.2 1.66 1.36 1.36
97 Bk 0 7 247 1.9 2 0 6.198 1259.2 1.68 1.39 1.39
98 Cf 0 7 251 1.9 2 0 6.282 1173.2 1.68 1.40 1.40
99 Es 0 7 252 1.9 2 0 6.368 1133.2 1.65 1.40 1.40
100 Fm 0 7 257 1.9 2 0 6.5 1800.2 1.67 1.67 1.67
101 Md 0 7 258 1.9 2 0 6.58 1100.2 1.73 1.39 1.39
102 No 0 7 259 1.9 2 0 6.626 1100.2 1.76 1.76 1.76
103 Lr 3 7 262 1.9 2 0 4.96 1900.2 1.61 1.41 1.41
104 Rf 4 7 267 1.9 2 0 6.02 0 1.57 1.40 1.31
105 Db 5 7 268 1.9 2 0 6.8 0 1.49 1.36 1.26
106 Sg 6 7 269 1.9 2 0 7.8 0 1.43 1.28 1.21
107 Bh 7 7 270 1.9 2 0 7.7 0 1.41 1.28 1.19
108 Hs 8 7 269 1.9 2 0 7.6 0 1.34 1.25 1.18
109 Mt 9 7 278 1.9 2 0 0 0 1.29 1.25 1.13
110 Ds 10 7 281 1.9 2 0 0 0 1.28 1.16 1.18
111 Rg 11 7 281 1.9 2 0 0 0 1.21 1.16 1.18
112 Cn 12 7 285 1.9 2 0 0 0 1.22 1.37 1.30
113 Nh 13 7 284 1.36 2 0 0 0 1.36 1.36 1.36
114 Fl 14 7 289 1.43 2 0 0 0 1.43 1.43 1.43
115 Mc 15 7 288 1.62 2 0 0 0 1.62 1.62 1.62
116 Lv 16 7 293 1.75 2 0 0 0 1.75 1.75 1.75
117 Ts 17 7 292 1.65 2 0 0 0 1.65 1.65 1.65
118 Og 18 7 294 1.57 2 0 0 0 1.57 1.57 1.57
"""
# Z, symbol, group (0: none), period, mass (Da), covalent and van der Waals radius (angstrom),
# electronegativity (Pauling), first ionisation energy (eV), melting point (K), and the radii of
# single, double and triple bonds (angstrom).

_ROWS = [line.split() for line in _TABLE.split("\n") if line]


def _column(index: int) -> NDArray[np.float32]:
    """Return [119] floats; 0 for the dummy atom."""
    return np.array([0.0, *(float(row[index]) for row in _ROWS)], np.float32)


SYMBOL = ("*", *(row[1] for row in _ROWS))
"""Element symbols; ``*`` is the dummy atom."""
NUMBER = {symbol: number for number, symbol in enumerate(SYMBOL)}
"""Atomic number by symbol."""
GROUP = _column(2).astype(np.int16)
"""1 to 18; 0 for lanthanides, actinides and the dummy atom."""
PERIOD = _column(3).astype(np.int16)
"""1 to 7; 0 for the dummy atom."""
MASS = _column(4)
"""Standard atomic weight, Da."""
COVALENT_RADIUS = _column(5)
"""Angstrom."""
VDW_RADIUS = _column(6)
"""Angstrom."""
ELECTRONEGATIVITY = _column(7)
"""Pauling scale; 0 where not known."""
IONIZATION_ENERGY = _column(8)
"""First ionisation energy, eV; 0 where not known."""
MELTING_POINT = _column(9)
"""Kelvin at one atmosphere; 0 where not known."""
BOND_RADIUS = np.stack([_column(10), _column(11), _column(12)])
"""[3, 119] radius in a single, double and triple bond, angstrom."""

PHASES = ("solid", "liquid", "gas", "synthetic")
"""State at 25 degrees Celsius; ``synthetic``: technetium, promethium and all beyond uranium."""
TYPES = (
    "alkali metal", "alkaline earth metal", "transition metal", "post-transition metal",
    "lanthanide", "actinide", "transactinide", "metalloid", "nonmetal", "halogen", "noble gas",
    "unknown",
)  # fmt: skip
"""Chemical families; ``unknown``: 113 to 118, whose chemistry has not been seen."""
METALS = frozenset(TYPES[:7])
"""The families of ``TYPES`` that are metals."""

_GASES = {"H", "He", "N", "O", "F", "Ne", "Cl", "Ar", "Kr", "Xe", "Rn"}
_LIQUIDS = {"Br", "Hg"}
_FAMILIES = {
    "metalloid": {"B", "Si", "Ge", "As", "Sb", "Te"},
    "nonmetal": {"H", "C", "N", "O", "P", "S", "Se"},
    "halogen": {"F", "Cl", "Br", "I", "At"},
    "alkali metal": {"Li", "Na", "K", "Rb", "Cs", "Fr"},
    "alkaline earth metal": {"Be", "Mg", "Ca", "Sr", "Ba", "Ra"},
    "noble gas": {"He", "Ne", "Ar", "Kr", "Xe", "Rn"},
    "post-transition metal": {"Al", "Ga", "In", "Sn", "Tl", "Pb", "Bi", "Po"},
}


def _phase(number: int) -> int:
    """Return the position in ``PHASES``."""
    if SYMBOL[number] in {"Tc", "Pm"} or number > NUMBER["U"]:
        return PHASES.index("synthetic")
    if SYMBOL[number] in _GASES:
        return PHASES.index("gas")
    return PHASES.index("liquid" if SYMBOL[number] in _LIQUIDS else "solid")


def _type(number: int) -> int:
    """Return the position in ``TYPES``."""
    for family, symbols in _FAMILIES.items():
        if SYMBOL[number] in symbols:
            return TYPES.index(family)
    ranges = {"lanthanide": (57, 71), "actinide": (89, 103), "transactinide": (104, 112)}
    for family, (first, last) in ranges.items():
        if first <= number <= last:
            return TYPES.index(family)
    return TYPES.index("unknown" if number > 112 else "transition metal")


def _metal(number: int) -> int:
    """Return 2 for metals, 1 for metalloids, 0 otherwise."""
    family = TYPES[_type(number)]
    return 2 if family in METALS else int(family == "metalloid")


PHASE = np.array([-1, *(_phase(number) for number in range(1, 119))], np.int16)
"""Position in ``PHASES``; -1 for the dummy atom."""
TYPE = np.array([-1, *(_type(number) for number in range(1, 119))], np.int16)
"""Position in ``TYPES``; -1 for the dummy atom."""
METAL = np.array([0, *(_metal(number) for number in range(1, 119))], np.int16)
"""2 for metals, 1 for metalloids, 0 otherwise."""
